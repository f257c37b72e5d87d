import { describe, expect, it } from '@jest/globals';
import { passAtK } from './pass-at-k.js';

describe('passAtK', () => {
  it('is the share of right answers at k = 1', () => {
    expect(passAtK(8, 3, 1)).toBeCloseTo(3 / 8, 14);
  });
  it('is 1 - C(n-c, k) / C(n, k)', () => {
    // Of 5 answers 2 are right: C(3, 2) / C(5, 2) = 3 / 10.
    expect(passAtK(5, 2, 2)).toBeCloseTo(1 - 3 / 10, 14);
  });
  it('is certain when wrong answers run out', () => {
    expect(passAtK(5, 2, 4)).toBe(1);
    expect(passAtK(5, 0, 5)).toBe(0);
  });
  it('stays accurate for thousands of answers', () => {
    expect(passAtK(2944, 1, 64)).toBeCloseTo(64 / 2944, 12);
  });
  it.each([
    [4, 2, 5],
    [4, 2, 0],
    [4, 5, 1],
    [4, -1, 1],
  ])('refuses n %d, c %d, k %d', (n, c, k) => {
    expect(() => passAtK(n, c, k)).toThrow(RangeError);
  });
});
