import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Bucket, divergence, divergenceSlope } from './divergence.js';
import { logSoftmax } from './log-space.js';

fc.configureGlobal({ seed: 2601 });

/** Numbers spread evenly, a thousandth apart at least; fast-check's doubles crowd around 0. */
const uniform = (min: number, max: number) =>
  fc.integer({ min: min * 1000, max: max * 1000 }).map((thousandths) => thousandths / 1000);

const buckets = (student: readonly number[], teacher: readonly number[]): readonly Bucket[] =>
  student.map((probability, index) => ({
    student: Math.log(probability),
    teacher: Math.log(teacher[index]!),
  }));

const logits = fc.array(uniform(-8, 8), { minLength: 5, maxLength: 5 });
const alphas = [0, 0.3, 0.5, 0.9, 1];

describe('divergence', () => {
  // s = (1/2, 1/4, 1/4), t = (1/4, 1/4, 1/2): log ratios are log 2, 0 and -log 2.
  const byHand = buckets([1 / 2, 1 / 4, 1 / 4], [1 / 4, 1 / 4, 1 / 2]);

  it('is KL(teacher||student) at alpha 0', () => {
    expect(divergence(0, byHand)).toBeCloseTo((1 / 2 - 1 / 4) * Math.LN2, 14);
    const lopsided = buckets([1 / 2, 1 / 4, 1 / 4], [1 / 8, 1 / 8, 3 / 4]);
    expect(divergence(0, lopsided)).toBeCloseTo(
      (1 / 8) * Math.log(1 / 4) + (1 / 8) * Math.log(1 / 2) + (3 / 4) * Math.log(3),
      14,
    );
  });
  it('is KL(student||teacher) at alpha 1', () => {
    const lopsided = buckets([1 / 2, 1 / 4, 1 / 4], [1 / 8, 1 / 8, 3 / 4]);
    expect(divergence(1, lopsided)).toBeCloseTo(
      (1 / 2) * Math.log(4) + (1 / 4) * Math.log(2) + (1 / 4) * Math.log(1 / 3),
      14,
    );
  });
  it('is the Jensen-Shannon divergence at alpha 0.5', () => {
    // The mixture is (3/8, 1/4, 3/8).
    const half = (1 / 2) * Math.log(4 / 3) + (1 / 4) * Math.log(2 / 3);
    expect(divergence(0.5, byHand)).toBeCloseTo(half, 14);
  });
  it('weighs the sides of a lopsided mixture', () => {
    // alpha 0.25 mixes (7/16, 1/4, 5/16).
    const student = (1 / 2) * Math.log(8 / 7) + (1 / 4) * Math.log(4 / 5);
    const teacher = (1 / 4) * Math.log(4 / 7) + (1 / 2) * Math.log(8 / 5);
    expect(divergence(0.25, byHand)).toBeCloseTo(0.75 * student + 0.25 * teacher, 14);
  });
  it.each(alphas)('is 0 between equals at alpha %d', (alpha) => {
    fc.assert(
      fc.property(logits, (z) => {
        const same = logSoftmax(z).map((logprob) => ({ student: logprob, teacher: logprob }));
        expect(divergence(alpha, same)).toBeCloseTo(0, 14);
      }),
    );
  });
  it.each(alphas)('is never negative at alpha %d', (alpha) => {
    fc.assert(
      fc.property(logits, logits, (z, y) => {
        const teacher = logSoftmax(y);
        const pair = logSoftmax(z).map((student, v) => ({ student, teacher: teacher[v]! }));
        expect(divergence(alpha, pair)).toBeGreaterThan(-1e-14);
      }),
    );
  });
  it('is at most log 2 at alpha 0.5, and that when the sides share nothing', () => {
    fc.assert(
      fc.property(logits, logits, (z, y) => {
        const teacher = logSoftmax(y);
        const pair = logSoftmax(z).map((student, v) => ({ student, teacher: teacher[v]! }));
        expect(divergence(0.5, pair)).toBeLessThanOrEqual(Math.LN2 + 1e-14);
      }),
    );
    expect(divergence(0.5, buckets([1, 0], [0, 1]))).toBeCloseTo(Math.LN2, 14);
  });
  it('tends to 0 near the ends, where it does not become a KL divergence', () => {
    expect(divergence(1e-9, byHand)).toBeLessThan(1e-8);
    expect(divergence(1 - 1e-9, byHand)).toBeLessThan(1e-8);
  });
  it('forgives what has no probability', () => {
    expect(divergence(0, buckets([1 / 2, 1 / 2], [1, 0]))).toBeCloseTo(Math.LN2, 14);
    expect(divergence(1, buckets([1, 0], [1 / 2, 1 / 2]))).toBeCloseTo(Math.LN2, 14);
  });
});

describe('divergenceSlope', () => {
  it.each(alphas)('is the derivative by one student logprob at alpha %d', (alpha) => {
    fc.assert(
      fc.property(uniform(-6, 0), uniform(-6, 0), (s, t) => {
        const step = 1e-5;
        const at = (student: number) => divergence(alpha, [{ student, teacher: t }]);
        const difference = (at(s + step) - at(s - step)) / (2 * step);
        expect(divergenceSlope(alpha, { student: s, teacher: t })).toBeCloseTo(difference, 8);
      }),
    );
  });
});
