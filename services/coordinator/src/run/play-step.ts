/** Plays what a step still needs: its tasks from the curriculum, less the groups that a crash left in the journal. */
import { tasksOfStep } from '@backsight/sdpo';
import { type OpenRun, versionAfter } from './open-run.js';
import type { PlayedStep } from './played-step.js';
import { PolicyMovedOnError } from './policy-moved-on.js';
import { playGroups } from './rollout.js';
import { seedOf } from './seeds.js';

export async function playStep(run: OpenRun, step: number, signal: AbortSignal): Promise<PlayedStep> {
  const { runId, recipe, store } = run;
  const startedAt = performance.now();
  const { epoch, taskIds } = tasksOfStep(run.taskIds, curriculumOf(run), step);
  const oldestVersion = await versionAfter(run, step - 1 - recipe.maxStaleness);
  const kept = new Set((await store.journal.rollouts(runId, step)).map(({ groupIndex }) => groupIndex));
  const { answerSeconds, sampled } = await playGroups(playersUntil(run, signal), {
    groups: taskIds
      .map((taskId, groupIndex) => ({ groupIndex, taskId }))
      .filter(({ groupIndex }) => !kept.has(groupIndex)),
    groupSize: recipe.groupSize,
    sampling: recipe.sampling,
    seedOf: (...path) => seedOf(recipe.seed, 'step', step, ...path),
    oldestVersion,
    checkVersion: versionCheck(oldestVersion, recipe.maxStaleness),
    onGroup: async (episodes) => {
      const rollouts = episodes.map((episode) => ({ ...episode, step, rolloutId: rolloutId(step, episode) }));
      await store.journal.recordGroup(runId, rollouts);
    },
    onProgress: (done, total) => {
      run.progress('rollout', step, done, total);
    },
  });
  const rollouts = await store.journal.rollouts(runId, step);
  return { epoch, rollouts, seconds: (performance.now() - startedAt) / 1000, answerSeconds, sampled };
}

/** Accepts what the run's own weights have sampled: on-policy one version alone, ahead of training also later ones. */
export function versionCheck(version: number, maxStaleness: number): (found: number) => void {
  return (found) => {
    const own = maxStaleness === 0 ? found === version : found >= version;
    if (!own) throw new PolicyMovedOnError(found, `version ${version}`);
  };
}

function curriculumOf({ recipe }: OpenRun) {
  return { tasksPerStep: recipe.tasksPerStep, order: recipe.taskOrder, seed: recipe.seed };
}

function playersUntil({ players }: OpenRun, signal: AbortSignal): OpenRun['players'] {
  const either = AbortSignal.any([players.patience.signal, signal]);
  return { ...players, patience: { ...players.patience, signal: either } };
}

const rolloutId = (
  step: number,
  place: { readonly groupIndex: number; readonly sampleIndex: number },
): string => `${step}.${place.groupIndex}.${place.sampleIndex}`;
