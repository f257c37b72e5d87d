import { describe, expect, it } from '@jest/globals';
import { repeatedShare } from './repetition.js';

describe('repeatedShare', () => {
  it('is 0 where nothing is said twice', () => {
    expect(repeatedShare([1, 2, 3, 4, 5, 6])).toBe(0);
  });
  it('is the share of n-grams seen before', () => {
    // 1 2 1 2 1 2: five pairs, two distinct ones.
    expect(repeatedShare([1, 2, 1, 2, 1, 2], 2)).toBeCloseTo(3 / 5, 14);
  });
  it('nears 1 in a loop', () => {
    expect(repeatedShare(Array.from({ length: 1000 }, (_, t) => t % 3))).toBeGreaterThan(0.99);
  });
  it('does not confuse neighbouring ids', () => {
    expect(repeatedShare([1, 12, 11, 2], 2)).toBe(0);
  });
  it('is 0 for a completion shorter than n', () => {
    expect(repeatedShare([7, 7, 7])).toBe(0);
    expect(repeatedShare([])).toBe(0);
  });
});
