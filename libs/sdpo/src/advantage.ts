/** Advantages: how much better an answer is than its group. The policy gradient's only signal, and the same for all its tokens. */

import { mean, sum } from './statistics.js';

/**
 * How rewards become advantages.
 *
 * - `centred`: reward minus the group's mean (the published baseline; arXiv 2601.20802, App. A.4).
 * - `standardised`: that, divided by the group's standard deviation (the original GRPO, arXiv 2402.03300), which makes easy and
 *   hard questions count like even ones.
 */
export type AdvantageKind = 'centred' | 'standardised';

/** The advantages of one group's rewards, which sum to 0. Shape [G] to [G]. */
export function groupAdvantages(rewards: readonly number[], kind: AdvantageKind): readonly number[] {
  const average = mean(rewards);
  const centred = rewards.map((reward) => reward - average);
  switch (kind) {
    case 'centred':
      return centred;
    case 'standardised': {
      // The sample deviation, as in the original; a group without spread has no better answer.
      const squares = sum(centred.map((value) => value ** 2));
      const deviation = Math.sqrt(squares / Math.max(1, rewards.length - 1));
      return centred.map((value) => value / (deviation + smallestDeviation));
    }
  }
}

const smallestDeviation = 1e-6;
