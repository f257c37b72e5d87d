import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { packByTokens, shareOut } from './batch.js';
import { random } from './random.js';

fc.configureGlobal({ seed: 2601 });

describe('shareOut', () => {
  it('puts each example in exactly one mini-batch, of sizes that differ by at most one', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), (count, miniBatches) => {
        const shares = shareOut(count, miniBatches, random(1));
        expect(shares).toHaveLength(miniBatches);
        expect(shares.flat().sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
        const sizes = shares.map((share) => share.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });
  it('mixes by the seed alone', () => {
    expect(shareOut(32, 4, random(1))).toEqual(shareOut(32, 4, random(1)));
    expect(shareOut(32, 4, random(1))).not.toEqual(shareOut(32, 4, random(2)));
  });
});

describe('packByTokens', () => {
  it('puts like lengths together, longest first', () => {
    expect(packByTokens([3, 10, 4, 9, 3], 20)).toEqual([
      [1, 3],
      [2, 0, 4],
    ]);
  });
  it('counts the padding', () => {
    // Two rows padded to 10 are 20 tokens, though only 11 are real.
    expect(packByTokens([10, 1], 19)).toEqual([[0], [1]]);
  });
  it('sends a sequence above the budget alone', () => {
    expect(packByTokens([50, 2, 2], 20)).toEqual([[0], [1, 2]]);
  });
  it('packs every sequence once and keeps within the budget wherever that can be', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 })),
        fc.integer({ min: 1, max: 100 }),
        (lengths, budget) => {
          const packed = packByTokens(lengths, budget);
          expect(packed.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
          for (const rows of packed) {
            const cost = rows.length * Math.max(...rows.map((row) => lengths[row]!));
            expect(rows.length === 1 || cost <= budget).toBe(true);
          }
        },
      ),
    );
  });
});
