import { describe, expect, it } from '@jest/globals';
import { loadGoldenCases, parseGoldenCases } from './golden-case.js';

/** The smallest document: one row of one token over two words. */
const document = {
  B: 1,
  T: 1,
  V: 2,
  studentLogits: [[[0, Math.log(3)]]],
  teacherLogits: [[[0, 0]]],
  sampledIds: [[1]],
  responseMask: [[1]],
  oldLogprobNoise: [[0.5]],
  rolloutWeights: [[1.5]],
  cases: [
    {
      kind: 'sdpo',
      alpha: 0.5,
      topK: 1,
      tail: true,
      variant: 'logit',
      isClip: 2,
      sampleMask: [0],
      useRolloutWeights: true,
      aggregation: 'seq-mean-token-mean',
      loss: 0,
      gradStudentLogits: [[[0, 0]]],
    },
  ],
};
const parse = (changes: object) => parseGoldenCases(JSON.stringify({ ...document, ...changes }));

describe('parseGoldenCases', () => {
  it('makes the objective of a case', () => {
    expect(parse({})[0]?.objective).toEqual({
      aggregation: 'sequence-mean-token-mean',
      temperature: 1,
      rolloutImportanceCap: 2,
      distillation: {
        weight: 1,
        alpha: 0.5,
        support: { kind: 'top-k-tail', k: 1 },
        granularity: 'logit',
        importanceCap: 2,
      },
    });
  });
  it('makes old and sampled logprobs of noise and weight', () => {
    const [token] = parse({})[0]!.completions[0]!.tokens;
    expect(token!.scored.oldLogprob).toBeCloseTo(Math.log(3 / 4) + 0.5, 14);
    expect(Math.exp(token!.scored.oldLogprob - token!.scored.sampledLogprob)).toBeCloseTo(1.5, 14);
  });
  it('counts what neither mask hides', () => {
    const counts = (changes: object, sampleMask: readonly number[] | null) =>
      parse({ ...changes, cases: [{ ...document.cases[0], sampleMask }] })[0]?.completions[0]?.tokens[0]
        ?.counts;
    expect([
      counts({}, [1]),
      counts({}, null),
      counts({}, [0]),
      counts({ responseMask: [[0]] }, [1]),
    ]).toEqual([true, true, false, false]);
  });
  it.each([
    ['V is missing', { V: undefined }],
    ['responseMask[0] must have 1 items, has 2', { responseMask: [[1, 1]] }],
    ['cases[0].kind must be one of sdpo, grpo, is "ppo"', { cases: [{ ...document.cases[0], kind: 'ppo' }] }],
    ['cases[0].loss must be a finite number, is "0"', { cases: [{ ...document.cases[0], loss: '0' }] }],
    ['cases[0] must be an object', { cases: [7] }],
    ['cases must be an array', { cases: 7 }],
  ])('says %s', (message, changes) => {
    expect(() => parse(changes)).toThrow(message);
  });
});

describe('loadGoldenCases', () => {
  it('holds every divergence, support, variant and aggregation', () => {
    const cases = loadGoldenCases();
    const distillations = cases.flatMap(({ objective }) => objective.distillation ?? []);
    expect(cases).toHaveLength(31);
    expect(new Set(distillations.map(({ alpha }) => alpha))).toEqual(new Set([0, 0.3, 0.5, 1]));
    expect(new Set(distillations.map(({ support }) => support.kind)).size).toBe(3);
    expect(new Set(distillations.map(({ granularity }) => granularity)).size).toBe(2);
    expect(new Set(cases.map(({ objective }) => objective.aggregation)).size).toBe(3);
    expect(cases.filter(({ objective }) => objective.policyGradient !== undefined)).toHaveLength(2);
  });
});
