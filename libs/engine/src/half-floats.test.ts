import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { narrowToBfloat16, widenBfloat16 } from './half-floats.js';

/** A float32 through bfloat16 and back. */
function rounded(...values: number[]): number[] {
  const narrow = new Uint16Array(values.length);
  narrowToBfloat16(Float32Array.from(values), narrow);
  const wide = new Float32Array(values.length);
  widenBfloat16(narrow, wide);
  return [...wide];
}

describe('narrowToBfloat16', () => {
  it('rounds to the nearest of its numbers, ties to the even one', () => {
    fc.assert(
      fc.property(fc.float({ min: -(2 ** 100), max: 2 ** 100, noNaN: true }), (value) => {
        const [result = NaN] = rounded(value);
        expect(Math.abs(result - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) * 2 ** -8, 2 ** -133));
        expect(rounded(result)).toEqual([result]);
      }),
    );
    const ulp = 2 ** -7;
    expect(rounded(1 + ulp / 2, 1 + (3 * ulp) / 2, 1 + ulp / 2 + 2 ** -23)).toEqual([
      1,
      1 + 2 * ulp,
      1 + ulp,
    ]);
  });

  it('keeps zeros, infinities and not-a-numbers, and overflows to infinity', () => {
    expect(rounded(0, -0, Infinity, -Infinity, NaN, 3.4e38)).toEqual([
      0,
      -0,
      Infinity,
      -Infinity,
      NaN,
      Infinity,
    ]);
  });
});
