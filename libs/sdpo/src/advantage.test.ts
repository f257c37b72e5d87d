import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { groupAdvantages } from './advantage.js';

fc.configureGlobal({ seed: 2601 });

describe('groupAdvantages', () => {
  it('is the reward less the mean of the group', () => {
    expect(groupAdvantages([1, 0, 0, 0], 'centred')).toEqual([0.75, -0.25, -0.25, -0.25]);
  });
  it('divides by the sample deviation when standardised', () => {
    // Rewards 1, 0: mean 1/2, sample deviation sqrt(1/2).
    const [better, worse] = groupAdvantages([1, 0], 'standardised');
    expect(better).toBeCloseTo(Math.SQRT1_2, 5);
    expect(worse).toBeCloseTo(-Math.SQRT1_2, 5);
  });
  it.each(['centred', 'standardised'] as const)('is 0 for a flat or a lonely group, %s', (kind) => {
    expect(groupAdvantages([0.5, 0.5, 0.5], kind)).toEqual([0, 0, 0]);
    expect(groupAdvantages([1], kind)).toEqual([0]);
    expect(groupAdvantages([], kind)).toEqual([]);
  });
  it.each(['centred', 'standardised'] as const)('sums to 0, %s', (kind) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1 }), (percents) => {
        const advantages = groupAdvantages(
          percents.map((percent) => percent / 100),
          kind,
        );
        expect(advantages.reduce((sum, advantage) => sum + advantage, 0)).toBeCloseTo(0, 9);
      }),
    );
  });
});
