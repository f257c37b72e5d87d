import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { logSoftmax } from './log-space.js';
import { type Distillation, type PolicyGradient } from './objective.js';
import { distillationLoss, likelihoodLoss, policyGradientLoss, type ScoredToken } from './token-loss.js';

fc.configureGlobal({ seed: 2601 });

/** Numbers spread evenly, a thousandth apart at least; fast-check's doubles crowd around 0. */
const uniform = (min: number, max: number) =>
  fc.integer({ min: min * 1000, max: max * 1000 }).map((thousandths) => thousandths / 1000);

const vocabulary = 6;
const logits = fc.array(uniform(-4, 4), {
  minLength: vocabulary,
  maxLength: vocabulary,
});
const temperatures = fc.constantFrom(0.7, 1, 1.6);
const ids = fc.integer({ min: 0, max: vocabulary - 1 });

const token = (studentLogits: readonly number[], id: number, oldLogprob = -1): ScoredToken => ({
  id,
  studentLogits,
  oldLogprob,
  sampledLogprob: oldLogprob,
});

/** Checks a gradient against central differences of a function of the logits. */
function expectGradient(
  gradient: readonly number[],
  z: readonly number[],
  f: (z: readonly number[]) => number,
) {
  const step = 1e-5;
  expect(gradient).toHaveLength(z.length);
  gradient.forEach((value, v) => {
    const moved = (by: number) => z.map((logit, u) => (u === v ? logit + by : logit));
    expect(Math.abs(value - (f(moved(step)) - f(moved(-step))) / (2 * step))).toBeLessThan(1e-7);
  });
}

describe('distillationLoss', () => {
  const settings: Distillation = {
    weight: 1,
    alpha: 0.5,
    support: { kind: 'full' },
    granularity: 'logit',
  };

  it.each([0, 0.3, 0.5, 0.9, 1])('has the gradient of its loss at any temperature, alpha %d', (alpha) => {
    fc.assert(
      fc.property(logits, logits, temperatures, (z, y, temperature) => {
        const at = (studentLogits: readonly number[]) =>
          distillationLoss({ ...settings, alpha }, temperature, token(studentLogits, 0), y);
        expectGradient(at(z).gradient, z, (moved) => at(moved).loss);
      }),
      { numRuns: 40 },
    );
  });
  it('is 0 when student and teacher agree', () => {
    fc.assert(
      fc.property(logits, temperatures, (z, temperature) => {
        const { loss, gradient } = distillationLoss(settings, temperature, token(z, 0), z);
        expect(loss).toBeCloseTo(0, 13);
        gradient.forEach((slope) => {
          expect(slope).toBeCloseTo(0, 13);
        });
      }),
    );
  });
  it('is multiplied by the capped ratio, through which no gradient flows', () => {
    fc.assert(
      fc.property(logits, logits, ids, uniform(-3, 3), (z, y, id, drift) => {
        const old = logSoftmax(z)[id]! - drift;
        const plain = distillationLoss(settings, 1, token(z, id, old), y);
        const capped = distillationLoss({ ...settings, importanceCap: 2 }, 1, token(z, id, old), y);
        const ratio = Math.min(Math.exp(drift), 2);
        expect(capped.loss).toBeCloseTo(ratio * plain.loss, 12);
        capped.gradient.forEach((slope, v) => {
          expect(slope).toBeCloseTo(ratio * plain.gradient[v]!, 12);
        });
      }),
    );
  });

  const sampled: Distillation = { ...settings, alpha: 1, granularity: 'sampled-token' };
  it('of the sampled token has the gradient of its logprob times the fixed log-ratio', () => {
    fc.assert(
      fc.property(logits, logits, ids, temperatures, (z, y, id, temperature) => {
        const logprob = (at: readonly number[]) => logSoftmax(at, temperature)[id]!;
        const logRatio = logprob(z) - logprob(y);
        const { loss, gradient } = distillationLoss(sampled, temperature, token(z, id), y);
        expect(loss).toBeCloseTo(logRatio * logprob(z), 12);
        expectGradient(gradient, z, (moved) => logRatio * logprob(moved));
      }),
      { numRuns: 40 },
    );
  });
  it('of the sampled token has, on average over the student, the gradient of KL(student||teacher)', () => {
    fc.assert(
      fc.property(logits, logits, (z, y) => {
        const whole = distillationLoss({ ...settings, alpha: 1 }, 1, token(z, 0), y).gradient;
        const student = logSoftmax(z).map(Math.exp);
        const expected = z.map((_, v) =>
          student.reduce(
            (sum, p, id) => sum + p * distillationLoss(sampled, 1, token(z, id), y).gradient[v]!,
            0,
          ),
        );
        whole.forEach((slope, v) => {
          expect(expected[v]).toBeCloseTo(slope, 12);
        });
      }),
    );
  });
  it('refuses a token outside the vocabulary', () => {
    expect(() => distillationLoss(settings, 1, token([0, 0], 2), [0, 0])).toThrow(/id 2 .* vocabulary of 2/);
  });
});

describe('policyGradientLoss', () => {
  const settings: PolicyGradient = { weight: 1, clipLow: 0.2, clipHigh: 0.28, dualClip: 3 };
  // A token of probability 1/2 whose ratio is what the test asks for.
  const withRatio = (ratio: number) => token([0, 0], 0, Math.log(0.5 / ratio));
  const cost = (ratio: number, advantage: number) =>
    policyGradientLoss(settings, 1, withRatio(ratio), advantage);

  it.each([
    { ratio: 1, advantage: 2, loss: -2, moves: true },
    { ratio: 1.2, advantage: 2, loss: -2.4, moves: true },
    { ratio: 1.5, advantage: 2, loss: -2.56, moves: false },
    { ratio: 0.5, advantage: 2, loss: -1, moves: true },
    { ratio: 0.9, advantage: -2, loss: 1.8, moves: true },
    { ratio: 0.5, advantage: -2, loss: 1.6, moves: false },
    { ratio: 2, advantage: -2, loss: 4, moves: true },
    { ratio: 5, advantage: -2, loss: 6, moves: false },
    { ratio: 5, advantage: 0, loss: 0, moves: false },
  ])('is $loss at ratio $ratio and advantage $advantage', ({ ratio, advantage, loss, moves }) => {
    const { loss: actual, gradient } = cost(ratio, advantage);
    expect(actual).toBeCloseTo(loss, 12);
    // Of two equal logits, the sampled one's slope is loss * (1 - 1/2) where the ratio moves the loss.
    expect(gradient[0]).toBeCloseTo(moves ? loss / 2 : 0, 12);
    expect(gradient[1]).toBeCloseTo(moves ? -loss / 2 : 0, 12);
  });
  it('has no bound on a negative advantage without the dual clip', () => {
    const { dualClip: _, ...unbounded } = settings;
    expect(policyGradientLoss(unbounded, 1, withRatio(5), -2).loss).toBeCloseTo(10, 12);
  });
  it('has the gradient of its loss wherever it has one', () => {
    fc.assert(
      fc.property(
        logits,
        ids,
        temperatures,
        uniform(-2, 2),
        uniform(-1.5, 1.5),
        (z, id, temperature, advantage, drift) => {
          const ratio = Math.exp(drift);
          fc.pre([0.8, 1.28, 3].every((kink) => Math.abs(ratio - kink) > 1e-3));
          const old = logSoftmax(z, temperature)[id]! - drift;
          const at = (moved: readonly number[]) =>
            policyGradientLoss(settings, temperature, token(moved, id, old), advantage);
          expectGradient(at(z).gradient, z, (moved) => at(moved).loss);
        },
      ),
    );
  });
});

describe('likelihoodLoss', () => {
  it('is -log p with gradient p - one-hot', () => {
    const { loss, gradient } = likelihoodLoss(1, token([0, Math.log(3)], 1));
    expect(loss).toBeCloseTo(-Math.log(3 / 4), 14);
    expect(gradient[0]).toBeCloseTo(1 / 4, 14);
    expect(gradient[1]).toBeCloseTo(3 / 4 - 1, 14);
  });
  it('has the gradient of its loss at any temperature', () => {
    fc.assert(
      fc.property(logits, ids, temperatures, (z, id, temperature) => {
        const at = (moved: readonly number[]) => likelihoodLoss(temperature, token(moved, id));
        expectGradient(at(z).gradient, z, (moved) => at(moved).loss);
      }),
      { numRuns: 40 },
    );
  });
});
