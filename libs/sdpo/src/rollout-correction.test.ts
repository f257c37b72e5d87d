import { describe, expect, it } from '@jest/globals';
import { rolloutCorrectionMetrics } from './rollout-correction.js';

describe('rolloutCorrectionMetrics', () => {
  it('finds no difference on-policy', () => {
    const logprobs = [-0.5, -1.5];
    const metrics = rolloutCorrectionMetrics([{ old: logprobs, sampled: logprobs }], 2);
    expect(metrics).toMatchObject({
      'rollout_corr/kl': 0,
      'rollout_corr/k3_kl': 0,
      'rollout_corr/chi2_token': 0,
      'rollout_corr/chi2_seq': 0,
      'rollout_corr/training_ppl': Math.E,
      'rollout_corr/rollout_ppl': Math.E,
      'rollout_corr/ppl_ratio': 1,
      'rollout_corr/rollout_is_mean': 1,
      'rollout_corr/rollout_is_std': 0,
      'rollout_corr/rollout_is_eff_sample_size': 1,
      'rollout_corr/rollout_is_ratio_fraction_high': 0,
      'rollout_corr/rollout_is_ratio_fraction_low': 0,
    });
  });

  // Two completions; ratios are 4 and 1/4 in the first, 1 in the second.
  const drifted = [
    { old: [Math.log(4) - 3, -3], sampled: [-3, Math.log(4) - 3] },
    { old: [-1], sampled: [-1] },
  ];
  const metrics = rolloutCorrectionMetrics(drifted, 2);
  const value = (name: string) => metrics[`rollout_corr/${name}`];

  it('estimates divergences from the ratios', () => {
    expect(value('kl')).toBeCloseTo(0, 12);
    const k3 = (ratio: number) => ratio - Math.log(ratio) - 1;
    expect(value('k3_kl')).toBeCloseTo((k3(4) + k3(1 / 4) + k3(1)) / 3, 12);
    expect(value('chi2_token')).toBeCloseTo((16 + 1 / 16 + 1) / 3 - 1, 12);
    expect(value('chi2_seq')).toBeCloseTo(0, 12);
  });
  it('averages perplexities over completions', () => {
    const logPerplexity = 3 - Math.log(4) / 2;
    expect(value('training_ppl')).toBeCloseTo((Math.exp(logPerplexity) + Math.E) / 2, 10);
    expect(value('training_log_ppl')).toBeCloseTo((logPerplexity + 1) / 2, 12);
    expect(value('log_ppl_abs_diff')).toBeCloseTo(0, 12);
  });
  it('describes the capped weights', () => {
    const weights = [2, 1 / 4, 1];
    const mean = (2 + 1 / 4 + 1) / 3;
    expect(value('rollout_is_mean')).toBeCloseTo(mean, 12);
    expect(value('rollout_is_max')).toBe(2);
    expect(value('rollout_is_min')).toBeCloseTo(1 / 4, 12);
    const squares = weights.reduce((sum, weight) => sum + (weight / mean) ** 2, 0);
    expect(value('rollout_is_eff_sample_size')).toBeCloseTo(3 / squares, 12);
    expect(value('rollout_is_ratio_fraction_high')).toBeCloseTo(1 / 3, 12);
    expect(value('rollout_is_ratio_fraction_low')).toBeCloseTo(1 / 3, 12);
  });
  it('says which side finds the text likelier', () => {
    const surer = rolloutCorrectionMetrics([{ old: [-2, -2], sampled: [-1, -1.5] }], undefined);
    expect(surer['rollout_corr/kl']).toBeCloseTo(0.75, 12);
    expect(surer['rollout_corr/log_ppl_diff']).toBeCloseTo(0.75, 12);
    expect(surer['rollout_corr/ppl_ratio']).toBeCloseTo(Math.exp(0.75), 12);
  });
  it('has no weights without a cap and nothing of nothing', () => {
    expect(rolloutCorrectionMetrics(drifted, undefined)).not.toHaveProperty(['rollout_corr/rollout_is_mean']);
    expect(rolloutCorrectionMetrics([], 2)).toEqual({});
  });
});
