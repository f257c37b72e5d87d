/** Question weights: how much each question's distillation counts in a batch. */

import { isSuccess } from './hindsight.js';
import { type Group } from './rollout.js';
import { fraction, mean } from './statistics.js';

/**
 * How questions are weighed.
 *
 * - `equal`: all alike.
 * - `uncertainty`: by sqrt(p (1 - p)), p the share of the group that succeeds (SC-SDPO, arXiv 2605.27765): a question that is
 *   always or never solved teaches least.
 */
export type QuestionWeighting = 'equal' | 'uncertainty';

/** The weight of each group; their mean is 1. Questions that are all decided are equally worthless, so then each weighs 1. */
export function questionWeights(
  groups: readonly Group[],
  weighting: QuestionWeighting,
  successThreshold: number,
): readonly number[] {
  if (weighting === 'equal') return groups.map(() => 1);
  const spreads = groups.map(({ rollouts }) => {
    const p = fraction(rollouts, (rollout) => isSuccess(rollout, { successThreshold }));
    return Math.sqrt(p * (1 - p));
  });
  const average = mean(spreads);
  return spreads.map((spread) => (average === 0 ? 1 : spread / average));
}
