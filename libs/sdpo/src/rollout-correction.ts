/** Rollout correction in figures: how far the policy that trains is from the one that sampled. */

import { cappedRatio, importanceRatio } from './importance.js';
import { type Metrics } from './metrics.js';
import { fraction, largest, mean, smallest, standardDeviation, sum } from './statistics.js';

/** The logprobs of one completion's tokens, recomputed and as sampled. */
export interface LogprobPair {
  /** Under the weights at the start of the transaction. Shape [T], T at least 1. */
  readonly old: readonly number[];
  /** Under the distribution they were drawn from. Shape [T]. */
  readonly sampled: readonly number[];
}

/**
 * `rollout_corr/*` of a batch of completions, named as in verl; empty of an empty batch.
 *
 * With rho = exp(old - sampled): `kl` and `k3_kl` estimate KL(sampled||old) over tokens, `chi2_token` and `chi2_seq` are
 * E[rho^2] - 1 over tokens and whole completions, perplexities are per completion and averaged, and `rollout_is_*` describe the
 * weights min(rho, cap) that multiply the loss. On-policy all logprobs agree: divergences are 0 and weights 1 up to rounding.
 */
export function rolloutCorrectionMetrics(
  completions: readonly LogprobPair[],
  cap: number | undefined,
): Metrics {
  if (completions.length === 0) return {};
  const tokens = completions.flatMap(({ old, sampled }) =>
    old.map((logprob, t) => ({ old: logprob, sampled: sampled[t] ?? logprob })),
  );
  const ratios = tokens.map((token) => importanceRatio(token.old, token.sampled));
  return {
    'rollout_corr/kl': mean(tokens.map((token) => token.sampled - token.old)),
    'rollout_corr/k3_kl': mean(
      tokens.map((token) => Math.expm1(token.old - token.sampled) - (token.old - token.sampled)),
    ),
    'rollout_corr/chi2_token': mean(ratios.map((ratio) => ratio ** 2)) - 1,
    'rollout_corr/chi2_seq':
      mean(completions.map(({ old, sampled }) => importanceRatio(sum(old), sum(sampled)) ** 2)) - 1,
    ...perplexities(completions),
    ...(cap === undefined
      ? {}
      : weightMetrics(
          tokens.map((token) => cappedRatio(cap, token.old, token.sampled)),
          ratios,
          cap,
        )),
  };
}

function perplexities(completions: readonly LogprobPair[]): Metrics {
  const training = completions.map(({ old }) => -mean(old));
  const rollout = completions.map(({ sampled }) => -mean(sampled));
  const differences = completions.map(({ old, sampled }) => mean(sampled) - mean(old));
  return {
    'rollout_corr/training_ppl': mean(training.map(Math.exp)),
    'rollout_corr/training_log_ppl': mean(training),
    'rollout_corr/rollout_ppl': mean(rollout.map(Math.exp)),
    'rollout_corr/rollout_log_ppl': mean(rollout),
    'rollout_corr/log_ppl_diff': mean(differences),
    'rollout_corr/log_ppl_abs_diff': mean(differences.map(Math.abs)),
    'rollout_corr/log_ppl_diff_max': largest(differences),
    'rollout_corr/log_ppl_diff_min': smallest(differences),
    'rollout_corr/ppl_ratio': mean(differences.map(Math.exp)),
  };
}

function weightMetrics(weights: readonly number[], ratios: readonly number[], cap: number): Metrics {
  const normalised = weights.map((weight) => weight / mean(weights));
  return {
    'rollout_corr/rollout_is_mean': mean(weights),
    'rollout_corr/rollout_is_std': standardDeviation(weights),
    'rollout_corr/rollout_is_max': largest(weights),
    'rollout_corr/rollout_is_min': smallest(weights),
    'rollout_corr/rollout_is_eff_sample_size': 1 / mean(normalised.map((weight) => weight ** 2)),
    'rollout_corr/rollout_is_ratio_fraction_high': fraction(ratios, (ratio) => ratio > cap),
    'rollout_corr/rollout_is_ratio_fraction_low': fraction(ratios, (ratio) => ratio < 1 / cap),
  };
}
