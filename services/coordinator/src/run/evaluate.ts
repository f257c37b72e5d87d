/** Evaluates a split: every task is played some times, and nothing is trained. */
import type { TaskResult } from '@backsight/contract/coordinator';
import type { Metrics } from '@backsight/sdpo';
import type { Recipe } from '../recipe/recipe.js';
import { patiently } from '../rooms/patience.js';
import { listTasks } from '../rooms/rooms.js';
import type { PlayedEpisode } from '../store/rollout-record.js';
import { type OpenRun, versionOf } from './open-run.js';
import { outcomeFigures } from './outcome-figures.js';
import { versionCheck } from './play-step.js';
import type { Players } from './players.js';
import { playGroups } from './rollout.js';
import { seedOf } from './seeds.js';

/** What to evaluate and how. */
export interface EvaluationRequest {
  readonly split: string;
  /** At least 1. */
  readonly samplesPerTask: number;
  readonly sampling: Recipe['sampling'];
  readonly seed: number;
  /** The oldest version of the weights that may sample. */
  readonly oldestVersion: number;
  readonly checkVersion: (policyVersion: number) => void;
  readonly onProgress: (done: number, total: number) => void;
}

/** What came of it. */
export interface Evaluation {
  /** Mean over tasks of the share of samples that solve the task. */
  readonly passRate: number;
  /** Mean over tasks of the mean reward. */
  readonly reward: number;
  readonly samples: number;
  readonly tasks: readonly TaskResult[];
  /** Means over samples of what the environment tells in numbers. */
  readonly figures: Metrics;
}

export async function evaluateSplit(players: Players, request: EvaluationRequest): Promise<Evaluation> {
  const { environment, patience } = players;
  const tasks = await patiently(`the environment at ${environment.address}`, patience, () =>
    listTasks(environment, request.split, patience.signal),
  );
  const groups = new Map<number, readonly PlayedEpisode[]>();
  await playGroups(players, {
    groups: tasks.map(({ taskId }, groupIndex) => ({ groupIndex, taskId })),
    groupSize: request.samplesPerTask,
    sampling: request.sampling,
    // The same for every evaluation of a run, so that a change of the figure is a change of the policy.
    seedOf: (...path) => seedOf(request.seed, 'evaluation', request.split, ...path),
    oldestVersion: request.oldestVersion,
    checkVersion: request.checkVersion,
    onGroup: (episodes) => {
      const [first] = episodes;
      if (first !== undefined) groups.set(first.groupIndex, episodes);
      return Promise.resolve();
    },
    onProgress: request.onProgress,
  });
  const inOrder = [...groups].sort(([a], [b]) => a - b).map(([, episodes]) => episodes);
  const results = inOrder.map(taskResult);
  return {
    passRate: mean(results.map(({ solved, samples }) => solved / samples)),
    reward: mean(results.map(({ reward }) => reward)),
    samples: results.reduce((sum, { samples }) => sum + samples, 0),
    tasks: results,
    figures: outcomeFigures(inOrder.flat().map(({ outcome }) => outcome)),
  };
}

/** Makes the evaluation that is due after a step, unless it is made already. Step 0 is before training. */
export async function evaluateIfDue(run: OpenRun, step: number, last: boolean): Promise<void> {
  const { runId, recipe, store } = run;
  const { evaluation } = recipe;
  if (evaluation === undefined || !isDue(evaluation, step, last)) return;
  if (await store.evaluations.has(runId, step, evaluation.split)) return;
  const version = await versionOf(run);
  const { passRate, reward, samples, tasks, figures } = await evaluateSplit(run.players, {
    ...evaluation,
    seed: recipe.seed,
    oldestVersion: version,
    checkVersion: versionCheck(version, 0),
    onProgress: (done, total) => {
      run.progress('evaluate', step, done, total);
    },
  });
  const rollouts = (await store.runs.get(runId))?.rollouts ?? 0;
  const evaluated = { step, split: evaluation.split, passRate, reward, samples, rollouts, figures };
  await store.evaluations.record(runId, evaluated, tasks);
}

function isDue(evaluation: NonNullable<Recipe['evaluation']>, step: number, last: boolean): boolean {
  if (step === 0) return evaluation.beforeTraining;
  return step % evaluation.everySteps === 0 || last;
}

function taskResult(episodes: readonly PlayedEpisode[]): TaskResult {
  return {
    taskId: episodes[0]?.taskId ?? '',
    solved: episodes.filter(({ outcome }) => outcome.solved).length,
    samples: episodes.length,
    reward: mean(episodes.map(({ outcome }) => outcome.reward)),
  };
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
