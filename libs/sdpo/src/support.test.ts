import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { divergence, divergenceSlope } from './divergence.js';
import { logSoftmax, logSumExp } from './log-space.js';
import { type Support } from './objective.js';
import { applySupport, pullBack, topIds } from './support.js';

fc.configureGlobal({ seed: 2601 });

/** Numbers spread evenly, a thousandth apart at least; fast-check's doubles crowd around 0. */
const uniform = (min: number, max: number) =>
  fc.integer({ min: min * 1000, max: max * 1000 }).map((thousandths) => thousandths / 1000);

const vocabulary = 7;
const logits = fc.array(uniform(-5, 5), {
  minLength: vocabulary,
  maxLength: vocabulary,
});
const alphas = [0, 0.3, 0.5, 0.9, 1];
const cost = (support: Support, alpha: number, z: readonly number[], y: readonly number[]) =>
  divergence(alpha, applySupport(support, logSoftmax(z), logSoftmax(y)).buckets);
const slope = (support: Support, alpha: number, z: readonly number[], y: readonly number[]) =>
  pullBack(applySupport(support, logSoftmax(z), logSoftmax(y)), (bucket) => divergenceSlope(alpha, bucket));

describe('topIds', () => {
  it('finds the largest, largest first, the lower id first among equals', () => {
    expect(topIds([0, 3, 1, 3, 2], 3)).toEqual([1, 3, 4]);
  });
  it('finds all when asked for more than there are', () => {
    expect(topIds([1, 2], 5)).toEqual([1, 0]);
  });
});

describe('applySupport', () => {
  // Student (1/2, 1/4, 1/8, 1/8), teacher (1/8, 1/8, 1/4, 1/2): the student's top two are tokens 0 and 1.
  const student = [1 / 2, 1 / 4, 1 / 8, 1 / 8].map(Math.log);
  const teacher = [1 / 8, 1 / 8, 1 / 4, 1 / 2].map(Math.log);
  const probabilities = (support: Support) =>
    applySupport(support, student, teacher).buckets.map((bucket) => [
      Math.exp(bucket.student),
      Math.exp(bucket.teacher),
    ]);

  it('compares every token over the full vocabulary', () => {
    expect(probabilities({ kind: 'full' })).toHaveLength(4);
  });
  it('gathers the rest in a tail', () => {
    const [first, second, tail] = probabilities({ kind: 'top-k-tail', k: 2 });
    expect(first).toEqual([expect.closeTo(1 / 2, 14), expect.closeTo(1 / 8, 14)]);
    expect(second).toEqual([expect.closeTo(1 / 4, 14), expect.closeTo(1 / 8, 14)]);
    expect(tail).toEqual([expect.closeTo(1 / 4, 14), expect.closeTo(3 / 4, 14)]);
  });
  it('renormalises both sides over the top K', () => {
    const [first, second, ...rest] = probabilities({ kind: 'top-k-renormalised', k: 2 });
    expect(first).toEqual([expect.closeTo(2 / 3, 14), expect.closeTo(1 / 2, 14)]);
    expect(second).toEqual([expect.closeTo(1 / 3, 14), expect.closeTo(1 / 2, 14)]);
    expect(rest).toEqual([]);
  });
  it('refuses sides of different vocabularies', () => {
    expect(() => applySupport({ kind: 'full' }, [0], [0, 0])).toThrow(/1 and 2 logits/);
  });

  it.each(alphas)('with K = V - 1 and a tail equals the full vocabulary at alpha %d', (alpha) => {
    fc.assert(
      fc.property(logits, logits, (z, y) => {
        // The clamp on the head moves a tail smaller than 1e-7; wide logits above that are left out.
        const support: Support = { kind: 'top-k-tail', k: vocabulary - 1 };
        expect(cost(support, alpha, z, y)).toBeCloseTo(cost({ kind: 'full' }, alpha, z, y), 10);
        slope(support, alpha, z, y).forEach((value, v) => {
          expect(value).toBeCloseTo(slope({ kind: 'full' }, alpha, z, y)[v]!, 10);
        });
      }),
    );
  });
  it.each(alphas)(
    'with K = V and a tail stays finite, and close to the full vocabulary, at alpha %d',
    (alpha) => {
      fc.assert(
        fc.property(logits, logits, (z, y) => {
          const support: Support = { kind: 'top-k-tail', k: vocabulary };
          const { buckets } = applySupport(support, logSoftmax(z), logSoftmax(y));
          expect(buckets.at(-1)!.student).toBeCloseTo(Math.log(1e-7), 6);
          expect(cost(support, alpha, z, y)).toBeCloseTo(cost({ kind: 'full' }, alpha, z, y), 10);
          slope(support, alpha, z, y).forEach((value) => {
            expect(Number.isFinite(value)).toBe(true);
          });
        }),
      );
    },
  );
  it('never finds more divergence than the full vocabulary has: to gather is to forget', () => {
    fc.assert(
      fc.property(
        logits,
        logits,
        fc.integer({ min: 1, max: vocabulary - 1 }),
        fc.constantFrom(...alphas),
        (z, y, k, alpha) => {
          expect(cost({ kind: 'top-k-tail', k }, alpha, z, y)).toBeLessThanOrEqual(
            cost({ kind: 'full' }, alpha, z, y) + 1e-12,
          );
        },
      ),
    );
  });
});

describe('pullBack', () => {
  const supports: readonly Support[] = [
    { kind: 'full' },
    { kind: 'top-k-tail', k: 1 },
    { kind: 'top-k-tail', k: 3 },
    { kind: 'top-k-tail', k: vocabulary },
    { kind: 'top-k-renormalised', k: 3 },
  ];
  const cases = supports.flatMap((support) => alphas.map((alpha) => ({ support, alpha })));

  // Logits further apart than a difference step, so that the top K stay the same ones.
  const distinct = fc.uniqueArray(uniform(-5, 5), { minLength: vocabulary, maxLength: vocabulary });

  it.each(cases)('agrees with finite differences: $support at alpha $alpha', ({ support, alpha }) => {
    fc.assert(
      fc.property(distinct, logits, (z, y) => {
        const step = 1e-5;
        slope(support, alpha, z, y).forEach((value, v) => {
          const moved = (by: number) => z.map((logit, u) => (u === v ? logit + by : logit));
          const difference =
            (cost(support, alpha, moved(step), y) - cost(support, alpha, moved(-step), y)) / (2 * step);
          expect(Math.abs(value - difference)).toBeLessThan(1e-6);
        });
      }),
      { numRuns: 20 },
    );
  });
  it.each(cases)(
    'sums to 0, as shifting all logits changes nothing: $support at alpha $alpha',
    ({ support, alpha }) => {
      fc.assert(
        fc.property(logits, logits, (z, y) => {
          const total = slope(support, alpha, z, y).reduce((sum, value) => sum + value, 0);
          expect(total).toBeCloseTo(0, 12);
        }),
        { numRuns: 20 },
      );
    },
  );
  it.each(cases)('vanishes between equals: $support at alpha $alpha', ({ support, alpha }) => {
    fc.assert(
      fc.property(logits, (z) => {
        slope(support, alpha, z, z).forEach((value) => {
          expect(value).toBeCloseTo(0, 12);
        });
      }),
      { numRuns: 20 },
    );
  });
  it('is p - t for KL(teacher||student) over the full vocabulary', () => {
    fc.assert(
      fc.property(logits, logits, (z, y) => {
        const teacher = logSoftmax(y).map(Math.exp);
        slope({ kind: 'full' }, 0, z, y).forEach((value, v) => {
          expect(value).toBeCloseTo(Math.exp(logSoftmax(z)[v]!) - teacher[v]!, 13);
        });
      }),
    );
  });
  it('is p (log p/t - KL) for KL(student||teacher) over the full vocabulary', () => {
    fc.assert(
      fc.property(logits, logits, (z, y) => {
        const [student, teacher] = [logSoftmax(z), logSoftmax(y)];
        const kl = cost({ kind: 'full' }, 1, z, y);
        slope({ kind: 'full' }, 1, z, y).forEach((value, v) => {
          expect(value).toBeCloseTo(Math.exp(student[v]!) * (student[v]! - teacher[v]! - kl), 12);
        });
      }),
    );
  });
  it('leaves tokens outside a renormalised support alone', () => {
    const z = [3, 2, 1, 0, -1, -2, -3];
    const outside = slope({ kind: 'top-k-renormalised', k: 2 }, 0.5, z, [...z].reverse()).slice(2);
    expect(outside.map(Math.abs)).toEqual([0, 0, 0, 0, 0]);
  });
  it('moves the tokens of a tail in proportion to their probabilities', () => {
    const z = [3, 2, 1, 0, -1, -2, -3];
    const [two, three] = slope({ kind: 'top-k-tail', k: 2 }, 0.5, z, [...z].reverse()).slice(2, 4);
    expect(two! / three!).toBeCloseTo(Math.exp(z[2]! - z[3]!), 10);
    expect(logSumExp(z)).toBeGreaterThan(3);
  });
});
