import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { lengthBucket, packMicroBatches, paddedLength } from './micro-batches.js';

const lengths = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 60 });
const budget = fc.integer({ min: 1, max: 600 });

describe('packMicroBatches', () => {
  it('takes every item once, and holds the budget unless one item alone exceeds it', () => {
    fc.assert(
      fc.property(lengths, budget, (items, tokens) => {
        const batches = packMicroBatches(items, tokens);
        expect(batches.flatMap((batch) => batch.items).sort((a, b) => a - b)).toEqual([...items.keys()]);
        for (const batch of batches) {
          expect(batch.paddedLength).toBe(paddedLength(Math.max(...batch.items.map((i) => items[i]!))));
          if (batch.items.length > 1)
            expect(batch.items.length * batch.paddedLength).toBeLessThanOrEqual(tokens);
        }
      }),
    );
  });

  it('puts like lengths together, the longest first, and keeps the order of those that are padded alike', () => {
    expect(packMicroBatches([3, 40, 5, 38, 5], 80)).toEqual([
      { items: [1, 3], paddedLength: 40 },
      { items: [0, 2, 4], paddedLength: 8 },
    ]);
  });
});

describe('paddedLength', () => {
  it('rounds up to the bucket', () => {
    expect([1, 8, 9].map(paddedLength)).toEqual([lengthBucket, lengthBucket, 2 * lengthBucket]);
  });
});
