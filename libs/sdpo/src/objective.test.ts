import { describe, expect, it } from '@jest/globals';
import { type Objective, objectiveProblems } from './objective.js';

const distillation = {
  weight: 1,
  alpha: 0.5,
  support: { kind: 'top-k-tail', k: 20 },
  granularity: 'logit',
  importanceCap: 2,
} as const;
const policyGradient = { weight: 1, clipLow: 0.2, clipHigh: 0.28, dualClip: 3 };
const sound: Objective = {
  distillation,
  policyGradient,
  likelihood: { weight: 0.1 },
  aggregation: 'token-mean',
  rolloutImportanceCap: 2,
  temperature: 1,
};

describe('objectiveProblems', () => {
  it('finds nothing wrong with a sound objective', () => {
    expect(objectiveProblems(sound)).toEqual([]);
  });
  it('lets a term be left out or weigh nothing, as long as another weighs something', () => {
    const { likelihood: _, ...rest } = sound;
    expect(objectiveProblems({ ...rest, policyGradient: { ...policyGradient, weight: 0 } })).toEqual([]);
  });

  const wrong: readonly (readonly [string, Objective])[] = [
    ['objective', { aggregation: 'token-mean', temperature: 1 }],
    ['objective', { aggregation: 'token-mean', temperature: 1, likelihood: { weight: 0 } }],
    ['temperature', { ...sound, temperature: 0 }],
    ['temperature', { ...sound, temperature: Number.NaN }],
    ['rolloutImportanceCap', { ...sound, rolloutImportanceCap: 0 }],
    ['distillation.weight', { ...sound, distillation: { ...distillation, weight: -1 } }],
    ['distillation.alpha', { ...sound, distillation: { ...distillation, alpha: 1.01 } }],
    ['distillation.alpha', { ...sound, distillation: { ...distillation, alpha: -0.1 } }],
    ['distillation.alpha', { ...sound, distillation: { ...distillation, granularity: 'sampled-token' } }],
    [
      'distillation.support.k',
      { ...sound, distillation: { ...distillation, support: { kind: 'top-k-tail', k: 0 } } },
    ],
    [
      'distillation.support.k',
      { ...sound, distillation: { ...distillation, support: { kind: 'top-k-renormalised', k: 2.5 } } },
    ],
    ['distillation.importanceCap', { ...sound, distillation: { ...distillation, importanceCap: 0 } }],
    ['policyGradient.weight', { ...sound, policyGradient: { ...policyGradient, weight: Infinity } }],
    ['policyGradient.clipLow', { ...sound, policyGradient: { ...policyGradient, clipLow: 1.5 } }],
    ['policyGradient.clipHigh', { ...sound, policyGradient: { ...policyGradient, clipHigh: -0.1 } }],
    ['policyGradient.dualClip', { ...sound, policyGradient: { ...policyGradient, dualClip: 1 } }],
    ['likelihood.weight', { ...sound, likelihood: { weight: -1 } }],
  ];
  it.each(wrong)('names %s', (field, objective) => {
    expect(objectiveProblems(objective).map((found) => found.field)).toEqual([field]);
  });
  it('says what a field must be and what it is', () => {
    expect(objectiveProblems({ ...sound, distillation: { ...distillation, alpha: 2 } })).toEqual([
      { field: 'distillation.alpha', problem: 'must be a number at least 0 and at most 1, is 2' },
    ]);
  });
  it('finds all problems at once', () => {
    const objective = {
      ...sound,
      temperature: -1,
      policyGradient: { ...policyGradient, clipLow: -1, clipHigh: -1 },
    };
    expect(objectiveProblems(objective)).toHaveLength(3);
  });
});
