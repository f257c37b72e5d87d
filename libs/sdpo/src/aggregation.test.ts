import { describe, expect, it } from '@jest/globals';
import { carriesLoss, tokenScales } from './aggregation.js';
import { type Objective } from './objective.js';

describe('tokenScales', () => {
  it('counts every token alike in a token mean', () => {
    expect(tokenScales('token-mean', [5, 3, 0])).toEqual([1 / 8, 1 / 8, 0]);
  });
  it('counts every completion alike in a sequence mean, masked ones in the denominator', () => {
    expect(tokenScales('sequence-mean-token-mean', [5, 2, 0])).toEqual([1 / 15, 1 / 6, 0]);
  });
  it('counts every token alike over all completions in a sum', () => {
    expect(tokenScales('sequence-mean-token-sum', [5, 2, 0])).toEqual([1 / 3, 1 / 3, 0]);
  });
  it.each(['token-mean', 'sequence-mean-token-mean', 'sequence-mean-token-sum'] as const)(
    'is 0 everywhere when everything is masked: %s',
    (aggregation) => {
      expect(tokenScales(aggregation, [0, 0])).toEqual([0, 0]);
      expect(tokenScales(aggregation, [])).toEqual([]);
    },
  );
  it('makes a constant loss of 1 aggregate to 1 in both means', () => {
    const lengths = [7, 1, 4];
    for (const aggregation of ['token-mean', 'sequence-mean-token-mean'] as const) {
      const total = tokenScales(aggregation, lengths).reduce((sum, scale, b) => sum + scale * lengths[b]!, 0);
      expect(total).toBeCloseTo(1, 14);
    }
  });
});

describe('carriesLoss', () => {
  const settings = { aggregation: 'token-mean', temperature: 1 } as const;
  const distillation = { weight: 1, alpha: 1, support: { kind: 'full' }, granularity: 'logit' } as const;
  const policyGradient = { weight: 1, clipLow: 0.2, clipHigh: 0.28 };
  const cases: readonly (readonly [string, Objective, boolean, boolean])[] = [
    ['distillation alone', { ...settings, distillation }, true, false],
    ['policy gradient alone', { ...settings, policyGradient }, true, true],
    ['their blend', { ...settings, distillation, policyGradient }, true, true],
    ['likelihood alone', { ...settings, likelihood: { weight: 1 } }, true, true],
    ['nothing', settings, false, false],
  ];
  it.each(cases)('under %s', (_, objective, taught, untaught) => {
    expect(carriesLoss(objective, true)).toBe(taught);
    expect(carriesLoss(objective, false)).toBe(untaught);
  });
});
