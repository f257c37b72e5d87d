import { describe, expect, it } from '@jest/globals';
import { learningRateAt, tinyRecipe } from './pretrain.js';

describe('learningRateAt', () => {
  const recipe = {
    ...tinyRecipe,
    steps: 1000,
    warmupSteps: 10,
    flatShare: 0.5,
    finalShare: 0.1,
    learningRate: 2,
  };

  it.each([
    [1, 0.2],
    [10, 2],
    [500, 2],
    [750, 2 * (0.1 + 0.9 / 2)],
    [1000, 0.2],
  ])('warms up, stays, and ends low: step %d', (step, rate) => {
    expect(learningRateAt(recipe, step)).toBeCloseTo(rate, 12);
  });
});
