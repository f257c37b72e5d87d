/**
 * Importance ratios: how much likelier a token is now than when it was sampled.
 *
 * They correct for weights that have moved since. A ratio is a weight, never a path for gradients, and is capped above alone:
 * what the policy has come to dislike may fade, what it has come to like may not explode.
 */

/** exp(logprob - oldLogprob), the exponent held within ±20 so that it stays finite. */
export function importanceRatio(logprob: number, oldLogprob: number): number {
  return Math.exp(Math.min(Math.max(logprob - oldLogprob, -exponentBound), exponentBound));
}

/** The ratio, at most `cap`; 1 without a cap, which means no ratio is wanted. */
export function cappedRatio(cap: number | undefined, logprob: number, oldLogprob: number): number {
  return cap === undefined ? 1 : Math.min(importanceRatio(logprob, oldLogprob), cap);
}

/** Whether the exponent is inside its bounds, so that the ratio moves with the logprob. */
export function ratioMoves(logprob: number, oldLogprob: number): boolean {
  return Math.abs(logprob - oldLogprob) < exponentBound;
}

const exponentBound = 20;
