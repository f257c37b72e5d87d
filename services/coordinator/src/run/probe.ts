/** Probes whether hindsight helps a policy: attempts are made plainly, then again with what the teacher would be told. */
import type { ProbeResult } from '@backsight/contract/coordinator';
import { tasksOfStep } from '@backsight/sdpo';
import type { Recipe } from '../recipe/recipe.js';
import type { PlayedEpisode, RolloutRecord } from '../store/rollout-record.js';
import { makeExamples } from './examples.js';
import { type Players, taskIdsOf } from './players.js';
import { type GroupRequest, playGroups } from './rollout.js';
import { seedOf } from './seeds.js';

/** What to probe. */
export interface ProbeOptions {
  /** Tasks of the training split, in the order of the curriculum; 0 takes all. */
  readonly maxTasks: number;
  /** Told how many tasks are done. */
  readonly onProgress: (done: number, total: number) => void;
}

/**
 * Plays `groupSize` attempts at each task. Each attempt for which there is hindsight is then made once more, in the same
 * world, from its teacher prompt. Nothing is trained. The gap between the two pass rates foretells what training will gain
 * (arXiv 2605.30070).
 */
export async function probe(players: Players, recipe: Recipe, options: ProbeOptions): Promise<ProbeResult> {
  const taskIds = await tasksToProbe(players, recipe, options.maxTasks);
  const plain = new Tally();
  const taught = new Tally();
  options.onProgress(0, taskIds.length);
  for (let first = 0; first < taskIds.length; first += recipe.tasksPerStep) {
    const portion = taskIds.slice(first, first + recipe.tasksPerStep);
    const attempts = await play(
      players,
      recipe,
      ['student', first],
      portion.map((taskId, index) => ({ groupIndex: first + index, taskId })),
      recipe.groupSize,
    );
    plain.add(attempts);
    taught.add(await play(players, recipe, ['teacher', first], retold(players, recipe, attempts), 1));
    options.onProgress(first + portion.length, taskIds.length);
  }
  return {
    studentPassRate: plain.passRate,
    teacherPassRate: taught.passRate,
    hindsightFraction: plain.attempts === 0 ? 0 : taught.attempts / plain.attempts,
  };
}

/** Attempts and how many of them solved their task. */
class Tally {
  attempts = 0;
  #solved = 0;

  add(episodes: readonly PlayedEpisode[]): void {
    this.attempts += episodes.length;
    this.#solved += episodes.filter(({ outcome }) => outcome.solved).length;
  }

  /** Of no attempts it is 0. */
  get passRate(): number {
    return this.attempts === 0 ? 0 : this.#solved / this.attempts;
  }
}

async function tasksToProbe(players: Players, recipe: Recipe, maxTasks: number): Promise<readonly string[]> {
  const all = await taskIdsOf(players, recipe);
  if (maxTasks === 0 || maxTasks >= all.length) return all;
  const curriculum = { tasksPerStep: maxTasks, order: recipe.taskOrder, seed: recipe.seed };
  return tasksOfStep(all, curriculum, 1).taskIds;
}

/** The attempts that the teacher can be told something about, each as a task that begins with what it is told. */
function retold(
  { renderer, policyCard }: Players,
  recipe: Recipe,
  attempts: readonly PlayedEpisode[],
): readonly GroupRequest[] {
  const rollouts = attempts.map((attempt, index): RolloutRecord => {
    return { ...attempt, step: 0, rolloutId: String(index) };
  });
  const { lessons } = makeExamples(rollouts, recipe, renderer, policyCard.contextWindow);
  return rollouts.flatMap(({ rolloutId, taskId, sampleIndex }, groupIndex) => {
    const openingIds = lessons.find((lesson) => lesson.rolloutId === rolloutId)?.teacherPromptIds[0] ?? [];
    return openingIds.length === 0 ? [] : [{ groupIndex, taskId, firstSample: sampleIndex, openingIds }];
  });
}

/** Plays groups to their ends, in order of group and sample. */
async function play(
  players: Players,
  recipe: Recipe,
  part: readonly (string | number)[],
  groups: readonly GroupRequest[],
  groupSize: number,
): Promise<readonly PlayedEpisode[]> {
  const played = new Map<number, readonly PlayedEpisode[]>();
  await playGroups(players, {
    groups,
    groupSize,
    sampling: recipe.sampling,
    // An attempt and its retelling meet the same world; what is sampled in it is drawn anew.
    seedOf: (kind, ...path) =>
      kind === 'episode'
        ? seedOf(recipe.seed, 'probe', kind, ...path)
        : seedOf(recipe.seed, 'probe', ...part, kind, ...path),
    oldestVersion: 0,
    checkVersion: () => undefined,
    onGroup: (episodes) => {
      played.set(episodes[0]?.groupIndex ?? 0, episodes);
      return Promise.resolve();
    },
    onProgress: () => undefined,
  });
  return groups.flatMap(({ groupIndex }) => played.get(groupIndex) ?? []);
}
