import { describe, expect, it } from '@jest/globals';
import { cappedRatio, importanceRatio, ratioMoves } from './importance.js';

describe('importanceRatio', () => {
  it('is 1 when nothing moved', () => {
    expect(importanceRatio(-1.25, -1.25)).toBe(1);
  });
  it('is the quotient of the probabilities', () => {
    expect(importanceRatio(Math.log(0.6), Math.log(0.2))).toBeCloseTo(3, 14);
  });
  it('stays finite', () => {
    expect(importanceRatio(0, -1e9)).toBe(Math.exp(20));
    expect(importanceRatio(-1e9, 0)).toBe(Math.exp(-20));
  });
});

describe('cappedRatio', () => {
  it('is capped above', () => {
    expect(cappedRatio(2, Math.log(0.9), Math.log(0.1))).toBe(2);
  });
  it('is not capped below', () => {
    expect(cappedRatio(2, Math.log(0.1), Math.log(0.9))).toBeCloseTo(1 / 9, 14);
  });
  it('is 1 without a cap', () => {
    expect(cappedRatio(undefined, Math.log(0.9), Math.log(0.1))).toBe(1);
  });
});

describe('ratioMoves', () => {
  it('tells whether the exponent is inside its bounds', () => {
    expect([19, 20, -19, -20].map((distance) => ratioMoves(distance, 0))).toEqual([true, false, true, false]);
  });
});
