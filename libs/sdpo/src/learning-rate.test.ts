import { describe, expect, it } from '@jest/globals';
import { learningRateOfStep, learningRateProblems } from './learning-rate.js';

describe('learningRateOfStep', () => {
  it('grows by equal steps to the full rate, and never starts at 0', () => {
    const schedule = { learningRate: 1, warmupSteps: 4 };
    expect([1, 2, 3, 4, 5, 100].map((step) => learningRateOfStep(schedule, step))).toEqual([
      0.25, 0.5, 0.75, 1, 1, 1,
    ]);
  });
  it('is constant without warm-up', () => {
    expect(learningRateOfStep({ learningRate: 3e-4, warmupSteps: 0 }, 1)).toBe(3e-4);
  });
});

describe('learningRateProblems', () => {
  it('names every field that is wrong', () => {
    expect(learningRateProblems({ learningRate: 0, warmupSteps: -1 }).map(({ field }) => field)).toEqual([
      'learningRate',
      'warmupSteps',
    ]);
  });
});
