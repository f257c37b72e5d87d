import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { logAddExp, logOneMinusExp, logSoftmax, logSumExp } from './log-space.js';

fc.configureGlobal({ seed: 2601 });

/** Numbers spread evenly, a thousandth apart at least; fast-check's doubles crowd around 0. */
const uniform = (min: number, max: number) =>
  fc.integer({ min: min * 1000, max: max * 1000 }).map((thousandths) => thousandths / 1000);

describe('logSumExp', () => {
  it('is the logarithm of the sum, where that can be computed', () => {
    expect(logSumExp([Math.log(1), Math.log(2), Math.log(3)])).toBeCloseTo(Math.log(6), 14);
  });
  it('neither overflows nor vanishes', () => {
    expect(logSumExp([1000, 1000])).toBeCloseTo(1000 + Math.LN2, 12);
    expect(logSumExp([-1000, -1000])).toBeCloseTo(-1000 + Math.LN2, 12);
  });
  it('is the logarithm of 0 for nothing', () => {
    expect(logSumExp([])).toBe(-Infinity);
    expect(logSumExp([-Infinity, -Infinity])).toBe(-Infinity);
  });
});

describe('logAddExp', () => {
  it('agrees with logSumExp of two', () => {
    const logs = uniform(-50, 50);
    fc.assert(
      fc.property(logs, logs, (a, b) => {
        expect(logAddExp(a, b)).toBeCloseTo(logSumExp([a, b]), 12);
      }),
    );
  });
  it('adds nothing to nothing', () => {
    expect(logAddExp(-Infinity, -Infinity)).toBe(-Infinity);
    expect(logAddExp(-Infinity, -2)).toBe(-2);
  });
});

describe('logOneMinusExp', () => {
  it('is the logprob of everything else', () => {
    expect(logOneMinusExp(Math.log(0.75))).toBeCloseTo(Math.log(0.25), 14);
  });
  it('keeps its precision close to certainty', () => {
    expect(logOneMinusExp(-1e-12)).toBeCloseTo(Math.log(1e-12), 10);
  });
});

describe('logSoftmax', () => {
  it('is a distribution that a shift of the logits leaves alone', () => {
    fc.assert(
      fc.property(
        fc.array(uniform(-30, 30), { minLength: 1, maxLength: 12 }),
        uniform(-100, 100),
        (logits, shift) => {
          const logprobs = logSoftmax(logits);
          const shifted = logSoftmax(logits.map((logit) => logit + shift));
          expect(logSumExp(logprobs)).toBeCloseTo(0, 12);
          logprobs.forEach((logprob, v) => {
            expect(shifted[v]).toBeCloseTo(logprob, 9);
          });
        },
      ),
    );
  });
  it('divides by the temperature', () => {
    expect(logSoftmax([2, 4, 6], 2)).toEqual(logSoftmax([1, 2, 3]));
  });
});
