import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { logSoftmax } from './log-space.js';
import { objectiveLoss, type ScoredCompletion } from './loss.js';
import { type Objective } from './objective.js';
import { distillationLoss, policyGradientLoss, type ScoredToken } from './token-loss.js';

fc.configureGlobal({ seed: 2601 });

/** Numbers spread evenly, a thousandth apart at least; fast-check's doubles crowd around 0. */
const uniform = (min: number, max: number) =>
  fc.integer({ min: min * 1000, max: max * 1000 }).map((thousandths) => thousandths / 1000);

const vocabulary = 5;
const distillation = { weight: 1, alpha: 0.5, support: { kind: 'full' }, granularity: 'logit' } as const;
const policyGradient = { weight: 1, clipLow: 0.2, clipHigh: 0.28, dualClip: 3 };
const plain = { aggregation: 'token-mean', temperature: 1 } as const;

const logits = fc.array(uniform(-3, 3), {
  minLength: vocabulary,
  maxLength: vocabulary,
});
/** A token that moved little since it was sampled, and away from every kink of the clipped surrogate. */
const tokens = (taught: boolean): fc.Arbitrary<ScoredToken> =>
  fc
    .record({
      id: fc.integer({ min: 0, max: vocabulary - 1 }),
      studentLogits: logits,
      teacherLogits: logits,
      drift: uniform(-0.15, 0.15),
      mismatch: uniform(-1, 1),
    })
    .map(({ id, studentLogits, teacherLogits, drift, mismatch }) => {
      const oldLogprob = logSoftmax(studentLogits)[id]! - drift;
      return {
        id,
        studentLogits,
        oldLogprob,
        sampledLogprob: oldLogprob - mismatch,
        ...(taught ? { teacherLogits } : {}),
      };
    });
const completions = (taught: boolean): fc.Arbitrary<ScoredCompletion> =>
  fc.record({
    tokens: fc.array(tokens(taught), { minLength: 1, maxLength: 3 }),
    advantage: uniform(-1, 1),
    distillationWeight: fc.constantFrom(0, 0.5, 1),
    policyGradientWeight: fc.constantFrom(0, 1),
    likelihoodWeight: fc.constant(1),
  });
const batches = fc.tuple(completions(true), completions(false), completions(true));

/** The batch with one logit of one token moved. */
const moved = (batch: readonly ScoredCompletion[], b: number, t: number, v: number, by: number) =>
  batch.map((completion, i) => ({
    ...completion,
    tokens: completion.tokens.map((token, j) => ({
      ...token,
      studentLogits: token.studentLogits.map((z, u) => (i === b && j === t && u === v ? z + by : z)),
    })),
  }));

describe('objectiveLoss', () => {
  const objectives: readonly (readonly [string, Objective])[] = [
    ['distillation, token mean', { ...plain, distillation }],
    ['distillation, sequence mean', { ...plain, aggregation: 'sequence-mean-token-mean', distillation }],
    ['policy gradient, sequence sum', { ...plain, aggregation: 'sequence-mean-token-sum', policyGradient }],
    ['likelihood', { ...plain, likelihood: { weight: 2 } }],
    [
      'a blend of all three with rollout weights',
      {
        ...plain,
        temperature: 1,
        rolloutImportanceCap: 2,
        distillation: { ...distillation, weight: 0.1 },
        policyGradient: { ...policyGradient, weight: 0.9 },
        likelihood: { weight: 0.3 },
      },
    ],
  ];
  it.each(objectives)('has the gradient of its loss: %s', (_, objective) => {
    fc.assert(
      fc.property(batches, (batch) => {
        const step = 1e-5;
        objectiveLoss(objective, batch).gradients.forEach((rows, b) => {
          rows.forEach((row, t) => {
            row.forEach((value, v) => {
              const at = (by: number) => objectiveLoss(objective, moved(batch, b, t, v, by)).loss;
              expect(Math.abs(value - (at(step) - at(-step)) / (2 * step))).toBeLessThan(1e-7);
            });
          });
        });
      }),
      { numRuns: 15 },
    );
  });

  it('is the weighted sum of its terms', () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const blend: Objective = {
          ...plain,
          distillation: { ...distillation, weight: 0.1 },
          policyGradient: { ...policyGradient, weight: 0.9 },
        };
        const result = objectiveLoss(blend, batch);
        expect(result.loss).toBeCloseTo(0.1 * result.distillationLoss + 0.9 * result.policyGradientLoss, 12);
        expect(result.likelihoodLoss).toBe(0);
      }),
    );
  });

  const token = (taught: boolean): ScoredToken => ({
    id: 1,
    studentLogits: [0, 1, 2],
    oldLogprob: -1,
    sampledLogprob: -1,
    ...(taught ? { teacherLogits: [2, 0, 1] } : {}),
  });
  const completion = (tokens: readonly ScoredToken[]): ScoredCompletion => ({
    tokens,
    advantage: 1,
    distillationWeight: 1,
    policyGradientWeight: 1,
    likelihoodWeight: 1,
  });
  const one = distillationLoss(distillation, 1, token(true), [2, 0, 1]).loss;

  it('leaves untaught completions out of a token mean', () => {
    const batch = [completion([token(true), token(true)]), completion([token(false)])];
    const { loss, gradients } = objectiveLoss({ ...plain, distillation }, batch);
    expect(loss).toBeCloseTo(one, 14);
    expect(gradients[1]).toEqual([[0, 0, 0]]);
  });
  it('keeps untaught completions in the denominator of a sequence mean', () => {
    const batch = [completion([token(true)]), completion([token(false)])];
    const objective: Objective = { ...plain, aggregation: 'sequence-mean-token-mean', distillation };
    expect(objectiveLoss(objective, batch).loss).toBeCloseTo(one / 2, 14);
    expect(objectiveLoss(objective, batch.slice(0, 1)).loss).toBeCloseTo(one, 14);
  });
  it('is 0 with a gradient of 0 when nothing is taught', () => {
    const batch = [completion([token(false)]), completion([token(false)])];
    for (const aggregation of ['token-mean', 'sequence-mean-token-mean'] as const) {
      const result = objectiveLoss({ ...plain, aggregation, distillation }, batch);
      expect(result.loss).toBe(0);
      expect(result.gradients.flat(2).every((slope) => slope === 0)).toBe(true);
    }
  });
  it('shares one normaliser among the terms of a blend', () => {
    const batch = [completion([token(true)]), completion([token(false)])];
    const result = objectiveLoss({ ...plain, distillation, policyGradient }, batch);
    const surrogate = policyGradientLoss(policyGradient, 1, token(true), 1).loss;
    expect(result.distillationLoss).toBeCloseTo(one / 2, 14);
    expect(result.policyGradientLoss).toBeCloseTo(surrogate, 14);
  });
  it('multiplies by the weights of the example, which mask nothing', () => {
    const batch = [{ ...completion([token(true)]), distillationWeight: 0 }, completion([token(true)])];
    expect(objectiveLoss({ ...plain, distillation }, batch).loss).toBeCloseTo(one / 2, 14);
  });
  it('multiplies by the capped rollout weight', () => {
    const off = { ...token(true), sampledLogprob: -1 - Math.log(1.5) };
    const far = { ...token(true), sampledLogprob: -1 - Math.log(7) };
    const objective: Objective = { ...plain, rolloutImportanceCap: 2, distillation };
    expect(objectiveLoss(objective, [completion([off])]).loss).toBeCloseTo(1.5 * one, 13);
    expect(objectiveLoss(objective, [completion([far])]).loss).toBeCloseTo(2 * one, 13);
  });
});
