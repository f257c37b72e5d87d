/**
 * Metrics of a step, as far as rollouts and examples tell them, under the names that other trainers use.
 *
 * The policy adds what only it can know: `actor/*` and the teacher's opinion of the tokens.
 */

import { type ExampleSet, type MaskReason, type Taught } from './example.js';
import { type HindsightOptions, isSuccess, teacherFeedback } from './hindsight.js';
import { repeatedShare } from './repetition.js';
import { type Group, type Rollout } from './rollout.js';
import { fraction, largest, mean, smallest, standardDeviation } from './statistics.js';

/** Figures by name. */
export type Metrics = Readonly<Record<string, number>>;

/**
 * The metrics of a step's groups and the examples made of them.
 *
 * `critic/*` rewards, and advantages token by token · `response_length/*`, `prompt_length/*` in tokens · `response/*` variety ·
 * `self_distillation/*` who succeeded, what could teach, and what did. Fractions are in [0, 1].
 */
export function stepMetrics(
  groups: readonly Group[],
  set: ExampleSet,
  threshold: Pick<HindsightOptions, 'successThreshold'>,
): Metrics {
  const rollouts = groups.flatMap((group) => group.rollouts);
  return {
    ...rewardMetrics(rollouts, set),
    ...lengthMetrics(rollouts),
    ...varietyMetrics(groups, rollouts),
    ...groupMetrics(groups, threshold),
    ...teachingMetrics(rollouts, set),
  };
}

function rewardMetrics(rollouts: readonly Rollout[], { examples }: ExampleSet): Metrics {
  const rewards = rollouts.map(({ outcome }) => outcome.reward);
  const advantages = examples.flatMap(({ advantage, completionIds }) => completionIds.map(() => advantage));
  return {
    ...meanMaxMin('critic/score', rewards),
    ...meanMaxMin('critic/rewards', rewards),
    ...meanMaxMin('critic/advantages', advantages),
    // With one reward at the end and no discount, the return of every token is its advantage.
    ...meanMaxMin('critic/returns', advantages),
    'critic/solved_fraction': fraction(rollouts, ({ outcome }) => outcome.solved),
  };
}

function lengthMetrics(rollouts: readonly Rollout[]): Metrics {
  return {
    ...meanMaxMin(
      'response_length',
      rollouts.map(({ completionIds }) => completionIds.length),
    ),
    'response_length/clip_ratio': fraction(rollouts, ({ outcome }) => outcome.truncated),
    ...meanMaxMin(
      'prompt_length',
      rollouts.map(({ promptIds }) => promptIds.length),
    ),
  };
}

/** A collapse shows here before it shows in the loss. */
function varietyMetrics(groups: readonly Group[], rollouts: readonly Rollout[]): Metrics {
  return {
    'response/distinct_fraction': mean(
      groups.map((group) => new Set(group.rollouts.map(({ text }) => text)).size / group.rollouts.length),
    ),
    'response/repeated_ngram_fraction': mean(
      rollouts.map(({ completionIds }) => repeatedShare(completionIds)),
    ),
  };
}

function groupMetrics(
  groups: readonly Group[],
  threshold: Pick<HindsightOptions, 'successThreshold'>,
): Metrics {
  const rewards = groups.map(({ rollouts }) => rollouts.map(({ outcome }) => outcome.reward));
  const everyReward = rewards.flat();
  const deviations = rewards.map(standardDeviation);
  return {
    'self_distillation/success_group_fraction': fraction(groups, ({ rollouts }) =>
      rollouts.some((rollout) => isSuccess(rollout, threshold)),
    ),
    'self_distillation/reward_mean': mean(everyReward),
    'self_distillation/reward_std': standardDeviation(everyReward),
    'self_distillation/reward_min': smallest(everyReward),
    'self_distillation/reward_max': largest(everyReward),
    'self_distillation/group_reward_std_mean': mean(deviations),
    'self_distillation/flat_group_fraction': fraction(deviations, (deviation) => deviation < flat),
  };
}

/** Rewards that differ by less than this are equal. */
const flat = 1e-8;

function teachingMetrics(rollouts: readonly Rollout[], { teachings, maskedCounts }: ExampleSet): Metrics {
  const taught = teachings.filter((teaching): teaching is Taught => teaching.kind === 'taught');
  const shareOfAll = (count: number) => count / Math.max(1, teachings.length);
  const shown = taught.flatMap(({ demonstrationRolloutId }) => demonstrationRolloutId ?? []);
  return {
    // By established use this counts rollouts that were shown a demonstration, not rollouts that succeeded.
    'self_distillation/success_sample_fraction': shareOfAll(shown.length),
    'self_distillation/feedback_available_fraction': fraction(
      rollouts,
      (rollout) => teacherFeedback(rollout) !== undefined,
    ),
    'self_distillation/feedback_used_fraction': shareOfAll(
      taught.filter(({ feedback }) => feedback !== undefined).length,
    ),
    'self_distillation/reprompt_sample_fraction': shareOfAll(taught.length),
    'self_distillation/reprompt_truncated_fraction': fraction(taught, ({ truncated }) => truncated),
    'self_distillation/distinct_demonstrations': new Set(shown).size,
    'self_distillation/empty_target_batch': taught.length === 0 ? 1 : 0,
    'self_distillation/masked/no-success': maskedCounts['no-success'],
    'self_distillation/masked/only-success': maskedCounts['only-success'],
    'self_distillation/masked/no-feedback': maskedCounts['no-feedback'],
    'self_distillation/masked/too-long': maskedCounts['too-long'],
    'self_distillation/masked/routed': maskedCounts.routed,
    'self_distillation/masked/off': maskedCounts.off,
  } satisfies Metrics & Record<`self_distillation/masked/${MaskReason}`, number>;
}

function meanMaxMin(name: string, values: readonly number[]): Metrics {
  return {
    [`${name}/mean`]: mean(values),
    [`${name}/max`]: largest(values),
    [`${name}/min`]: smallest(values),
  };
}
