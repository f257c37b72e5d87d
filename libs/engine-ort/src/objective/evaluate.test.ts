import { objectiveLoss, type Objective, type Support } from '@backsight/sdpo';
import { describe, expect, it } from '@jest/globals';
import { evaluateObjective } from './evaluate.js';

const [tokens, vocabularySize] = [12, 37];

const supports: readonly Support[] = [
  { kind: 'full' },
  { kind: 'top-k-tail', k: 5 },
  { kind: 'top-k-tail', k: vocabularySize },
  { kind: 'top-k-renormalised', k: 5 },
  { kind: 'top-k-renormalised', k: 100 },
];

const clipped = { clipLow: 0.2, clipHigh: 0.28, dualClip: 3 };

describe('evaluateObjective', () => {
  it.each(
    supports.flatMap((support) =>
      [0, 0.3, 0.5, 1].map(
        (alpha) => [`${support.kind} ${'k' in support ? support.k : ''}`, alpha, support] as const,
      ),
    ),
  )('equals the float64 specification for support %s and alpha %d', async (_, alpha, support) => {
    await expectAgreement({
      distillation: { weight: 1, alpha, support, granularity: 'logit', importanceCap: 2 },
      aggregation: 'sequence-mean-token-sum',
      temperature: 1,
    });
  });

  it('equals the specification for the sampled-token estimate', async () => {
    await expectAgreement({
      distillation: {
        weight: 1,
        alpha: 1,
        support: { kind: 'full' },
        granularity: 'sampled-token',
        importanceCap: 2,
      },
      aggregation: 'sequence-mean-token-sum',
      temperature: 1,
    });
  });

  it.each([
    { weight: 1, clipLow: 0.2, clipHigh: 0.28 },
    { weight: 1, ...clipped },
  ])('equals the specification for the policy gradient %j', async (policyGradient) => {
    await expectAgreement({ policyGradient, aggregation: 'sequence-mean-token-sum', temperature: 1 });
  });

  it('equals the specification for the likelihood', async () => {
    await expectAgreement({
      likelihood: { weight: 1 },
      aggregation: 'sequence-mean-token-sum',
      temperature: 1,
    });
  });

  it('equals the specification for a blend with a temperature and a rollout weight', async () => {
    await expectAgreement({
      distillation: { weight: 0.7, alpha: 0.5, support: { kind: 'top-k-tail', k: 5 }, granularity: 'logit' },
      policyGradient: { weight: 0.2, ...clipped },
      likelihood: { weight: 0.1 },
      rolloutImportanceCap: 1.5,
      aggregation: 'sequence-mean-token-sum',
      temperature: 0.7,
    });
  });

  it('stays finite for logits that leave a token no probability in float32', async () => {
    for (const alpha of [0, 0.5, 1])
      await expectAgreement(
        {
          distillation: { weight: 1, alpha, support: { kind: 'full' }, granularity: 'logit' },
          aggregation: 'sequence-mean-token-sum',
          temperature: 1,
        },
        { spread: 60, tolerance: 1e-3 },
      );
  });
});

/** `tolerance` bounds the difference of float32 graph and float64 specification, relative to the largest entry. */
async function expectAgreement(objective: Objective, { spread = 2.5, tolerance = 2e-5 } = {}): Promise<void> {
  const rows = Array.from({ length: tokens }, (_, n) => row(n, spread));
  const expected = objectiveLoss(
    objective,
    rows.map(({ id, advantage, studentLogits, teacherLogits, oldLogprob, sampledLogprob }) => ({
      tokens: [{ id, studentLogits, teacherLogits, oldLogprob, sampledLogprob }],
      advantage,
      distillationWeight: 1,
      policyGradientWeight: 1,
      likelihoodWeight: 1,
    })),
  );
  const cap = objective.rolloutImportanceCap;
  const { loss, gradStudentLogits } = await evaluateObjective({
    objective,
    vocabularySize,
    studentLogits: Float32Array.from(rows.flatMap(({ studentLogits }) => studentLogits)),
    teacherLogits: Float32Array.from(rows.flatMap(({ teacherLogits }) => teacherLogits)),
    sampledIds: rows.map(({ id }) => id),
    oldLogprobs: Float32Array.from(rows, ({ oldLogprob }) => oldLogprob),
    rolloutWeights: Float32Array.from(rows, ({ oldLogprob, sampledLogprob }) =>
      cap === undefined ? 1 : Math.min(Math.exp(oldLogprob - sampledLogprob), cap),
    ),
    advantages: Float32Array.from(rows, ({ advantage }) => advantage),
    tokenScales: new Float32Array(tokens).fill(1 / tokens),
  });
  const expectedGradient = expected.gradients.flat(2);
  const largest = expectedGradient.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
  const worst = expectedGradient.reduce((max, g, i) => Math.max(max, Math.abs(g - gradStudentLogits[i]!)), 0);
  expect(Math.abs(loss - expected.loss)).toBeLessThan(tolerance * Math.max(1, Math.abs(expected.loss)));
  expect(worst / largest).toBeLessThan(tolerance);
}

/** One token: old logprobs around the current ones, so that ratios fall on both sides of every clip. */
function row(n: number, spread: number) {
  const logits = (phase: number) =>
    Array.from({ length: vocabularySize }, (_, v) =>
      Math.fround(spread * Math.sin(12.9898 * (v + 1) + 7.1 * n + phase)),
    );
  const studentLogits = logits(0);
  const teacherLogits = logits(1);
  const id = (5 * n + 3) % vocabularySize;
  const logprob = studentLogits[id]! - Math.log(studentLogits.reduce((sum, z) => sum + Math.exp(z), 0));
  const oldLogprob = Math.fround(logprob + Math.sin(n) * 1.3);
  return {
    id,
    studentLogits,
    teacherLogits,
    advantage: Math.cos(2 * n),
    oldLogprob,
    sampledLogprob: Math.fround(oldLogprob + 0.5 * Math.sin(3 * n)),
  };
}
