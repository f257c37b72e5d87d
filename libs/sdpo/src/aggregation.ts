/** Aggregation: how the losses of a mini-batch's tokens become one number. */

import { type Aggregation, type Objective } from './objective.js';

/**
 * The factor of every token's loss, one per completion; the mini-batch's loss is the sum over tokens of factor times token loss.
 *
 * `lossTokens` says how many tokens of each completion carry a loss: its length, less what is masked, 0 when all of it is.
 * Shape [B] to [B]. The factors look at the whole mini-batch, so how it is cut into micro-batches changes nothing.
 *
 * - `token-mean`: 1 / (all loss tokens): every token counts alike, long completions more (arXiv 2601.20802, Eq. 1).
 * - `sequence-mean-token-mean`: 1 / (B * own loss tokens): every completion counts alike. Masked ones stay in B, so that a
 *   step with fewer taught completions is a smaller one; the published runs were computed so.
 * - `sequence-mean-token-sum`: 1 / B.
 */
export function tokenScales(aggregation: Aggregation, lossTokens: readonly number[]): readonly number[] {
  const completions = Math.max(1, lossTokens.length);
  const allTokens = Math.max(
    1,
    lossTokens.reduce((sum, tokens) => sum + tokens, 0),
  );
  switch (aggregation) {
    case 'token-mean':
      return lossTokens.map((tokens) => (tokens === 0 ? 0 : 1 / allTokens));
    case 'sequence-mean-token-mean':
      return lossTokens.map((tokens) => (tokens === 0 ? 0 : 1 / (completions * tokens)));
    case 'sequence-mean-token-sum':
      return lossTokens.map((tokens) => (tokens === 0 ? 0 : 1 / completions));
  }
}

/**
 * Whether a token carries a loss: every token does under a policy gradient or a likelihood, only a taught one under distillation alone.
 *
 * Only a missing teacher masks; an example's weights multiply its losses and leave the factors as they are, so that blended and
 * routed objectives share one normaliser (arXiv 2601.20802, Eq. 3; SRPO, arXiv 2604.02288).
 */
export function carriesLoss(objective: Objective, taught: boolean): boolean {
  if (objective.policyGradient !== undefined || objective.likelihood !== undefined) return true;
  return objective.distillation !== undefined && taught;
}
