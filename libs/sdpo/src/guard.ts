/**
 * The guard: alarms for a run that is about to collapse, or that cannot learn.
 *
 * The loss says nothing about quality. Entropy, length, spread of rewards and loops do, and they move before the reward falls; runs
 * that looked best at step 100 have ended at zero. Each alarm compares the latest steps with the run's own beginning.
 */

import { type Metrics } from './metrics.js';
import { mean } from './statistics.js';

/** Something a person should know. */
export interface Warning {
  /** A short stable name. */
  readonly code: WarningCode;
  /** What it means and what to do. */
  readonly message: string;
}

export type WarningCode =
  'cut-short' | 'entropy-collapse' | 'length-collapse' | 'flat-groups' | 'repeated-ngrams' | 'reward-fall';

/** When alarms go off. */
export interface GuardOptions {
  /** Steps that are averaged, at the start as at the end; before two windows have passed, only `cutShort` goes off. */
  readonly window: number;
  /** Share of answers that ran out of tokens above this, from the first step on. */
  readonly cutShort: number;
  /** Entropy below this share of the start. */
  readonly entropyShare: number;
  /** Mean length below this share of the start, without a better reward to show for it. */
  readonly lengthShare: number;
  /** Share of groups whose rewards are all equal above this, and share of rollouts with a teacher below it. */
  readonly flatGroups: number;
  /** Share of repeated n-grams above this. */
  readonly repeatedNgrams: number;
  /** Reward below this share of the best window. */
  readonly rewardShare: number;
}

export const guardDefaults: GuardOptions = {
  window: 5,
  cutShort: 0.5,
  entropyShare: 0.2,
  lengthShare: 0.5,
  flatGroups: 0.75,
  repeatedNgrams: 0.3,
  rewardShare: 0.7,
};

/**
 * The alarms of a run after its latest step, from the metrics of all its steps in order. A metric that a step lacks is passed over.
 */
export function warningsOf(
  history: readonly Metrics[],
  options: GuardOptions = guardDefaults,
): readonly Warning[] {
  return alarms.flatMap(({ code, raise }) => {
    const message = raise(
      (name, least = 2 * options.window) => course(history, name, options.window, least),
      options,
    );
    return message === undefined ? [] : [{ code, message }];
  });
}

/** How a metric went: the mean of its first window, of its last, and the best of any. */
interface Course {
  readonly start: number;
  readonly now: number;
  readonly best: number;
}

interface Alarm {
  readonly code: WarningCode;
  /** The message if the alarm goes off; a course is known once its metric has so many values. */
  readonly raise: (
    courseOf: (name: string, least?: number) => Course | undefined,
    options: GuardOptions,
  ) => string | undefined;
}

const alarms: readonly Alarm[] = [
  {
    code: 'cut-short',
    raise: (courseOf, { cutShort }) => {
      const cut = courseOf('response_length/clip_ratio', 1);
      if (cut === undefined || cut.now <= cutShort) return undefined;
      return `${percent(cut.now)} of the answers ran out of tokens before they ended. Raise sampling.maxTokens, or ask for shorter answers.`;
    },
  },
  {
    code: 'entropy-collapse',
    raise: (courseOf, { entropyShare }) => {
      const entropy = courseOf('actor/entropy');
      if (entropy === undefined || entropy.now >= entropyShare * entropy.start) return undefined;
      return `Entropy fell from ${show(entropy.start)} to ${show(entropy.now)}: the policy hardly explores any more. Lower the learning rate, or slow the teacher.`;
    },
  },
  {
    code: 'length-collapse',
    raise: (courseOf, { lengthShare }) => {
      const length = courseOf('response_length/mean');
      const reward = courseOf('critic/score/mean');
      if (length === undefined || reward === undefined) return undefined;
      if (length.now >= lengthShare * length.start || reward.now > reward.start) return undefined;
      return `Answers shrank from ${show(length.start)} to ${show(length.now)} tokens and are no better for it. Go back to a checkpoint from before, and lower the learning rate or slow the teacher.`;
    },
  },
  {
    code: 'flat-groups',
    raise: (courseOf, { flatGroups }) => {
      const flat = courseOf('self_distillation/flat_group_fraction');
      const taught = courseOf('self_distillation/reprompt_sample_fraction');
      if (flat === undefined || flat.now <= flatGroups) return undefined;
      if (taught !== undefined && taught.now >= flatGroups) return undefined;
      return `In ${percent(flat.now)} of the groups all rewards are equal, and few answers have a teacher: there is little to learn from. Choose tasks that the policy neither always fails nor always solves, or an environment that gives feedback.`;
    },
  },
  {
    code: 'repeated-ngrams',
    raise: (courseOf, { repeatedNgrams }) => {
      const repeated = courseOf('response/repeated_ngram_fraction');
      if (repeated === undefined) return undefined;
      if (repeated.now <= Math.max(repeatedNgrams, repeated.start)) return undefined;
      return `${percent(repeated.now)} of what answers say they have said before, ${percent(repeated.start)} at the start: the policy loops. Look at some rollouts, and keep looping answers out of the demonstrations.`;
    },
  },
  {
    code: 'reward-fall',
    raise: (courseOf, { rewardShare }) => {
      const reward = courseOf('critic/score/mean');
      if (reward === undefined || reward.now >= rewardShare * reward.best) return undefined;
      return `Reward fell from ${show(reward.best)} at its best to ${show(reward.now)}. Stop, go back to the best checkpoint, and go on with a slower teacher or a lower learning rate.`;
    },
  },
];

function course(
  history: readonly Metrics[],
  name: string,
  window: number,
  least: number,
): Course | undefined {
  const values = history.flatMap((metrics) => metrics[name] ?? []);
  if (values.length < least) return undefined;
  const width = Math.min(window, values.length);
  const windows = values.slice(width - 1).map((_, first) => mean(values.slice(first, first + width)));
  const [start] = windows;
  const now = windows.at(-1);
  if (start === undefined || now === undefined) return undefined;
  return { start, now, best: Math.max(...windows) };
}

function show(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
