import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../test-model.js';
import { planMemory, planTogether, trainedTogether } from './memory-plan.js';

const limits = { activationBytes: 1e9, logits: 1e6 };
const plan = (length: number, sequences: number, rows: number, vocabularySize = 1000) =>
  planMemory({ ...testConfig, vocabularySize }, { length, tokens: sequences * length, rows }, limits);

describe('planMemory', () => {
  it('saves nothing where a run is small', () => {
    expect(plan(16, 8, 40)).toEqual({ layers: 'kept', shares: 1 });
  });

  it('computes layers again where what they hold grows with the square of the length', () => {
    expect(plan(512, 16, 40).layers).toBe('kept');
    expect(plan(8192, 1, 40).layers).toBe('partly');
  });

  it('computes products again where to keep them would be too much', () => {
    expect(plan(512, 400, 40).layers).toBe('partly');
    expect(plan(512, 1000, 40).layers).toBe('recomputed');
  });

  it('cuts the rows until a share of the logits is small', () => {
    expect(plan(16, 8, 1000).shares).toBe(1);
    expect(plan(16, 8, 1001).shares).toBe(2);
    expect(plan(16, 8, 4000).shares).toBe(4);
  });

  it('leaves no share empty, however large the vocabulary', () => {
    for (const rows of [1, 3, 4, 15, 16, 63, 64, 1000]) {
      const { shares } = plan(16, 8, rows, 1e9);
      expect(shares * (shares - 1)).toBeLessThan(rows);
    }
  });
});

describe('planTogether', () => {
  const shape = (tokens: number, rows: number) => ({ length: tokens, tokens, rows });
  const plans = (...rows: readonly number[]) =>
    planTogether(
      { ...testConfig, vocabularySize: 1000 },
      rows.map((count) => shape(16, count)),
      limits,
    );

  it('cuts the rows of all runs as those of the largest, so that one session serves them', () => {
    expect(plans(4000, 1000).map(({ shares }) => shares)).toEqual([4, 4]);
  });

  it('leaves no share empty', () => {
    expect(plans(4000, 15).map(({ shares }) => shares)).toEqual([4, 1]);
  });

  it('computes the layers of all again where one run must', () => {
    const together = planTogether(testConfig, [shape(8192, 40), shape(16, 40)], limits);
    expect(together.map(({ layers }) => layers)).toEqual(['partly', 'partly']);
  });
});

describe('trainedTogether', () => {
  // Of a token each of two layers retains 2 x 24, 2 x 96 and 2 x 40 values.
  const tokens = (budget: number, activationBytes: number) =>
    trainedTogether(testConfig, budget, { ...limits, activationBytes });

  it('is what leaves products with weights in memory', () => {
    expect(tokens(4096, 2000 * 2560)).toBe(2000);
    expect(tokens(4096, 5000 * 2560)).toBe(4096);
  });

  it('is the budget where so few would not be worth a run', () => {
    expect(tokens(4096, 500 * 2560)).toBe(4096);
  });
});
