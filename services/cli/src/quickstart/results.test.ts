import { describe, expect, it } from '@jest/globals';
import { closingLine, curveOf, resultTable, summarise, type RunResult } from './results.js';

const result = (method: 'SDPO' | 'GRPO', seed: number, before: number, after: number): RunResult => ({
  method,
  seed,
  runId: `${method}-${seed}`,
  rollouts: 3072,
  seconds: 20,
  heldOut: [
    { step: 0, split: 'held-out', passRate: before, rollouts: 0 },
    { step: 32, split: 'held-out', passRate: after, rollouts: 3072 },
  ],
});
const results = [
  result('SDPO', 11, 0, 0.6),
  result('SDPO', 12, 0.02, 0.8),
  result('GRPO', 11, 0, 0.1),
  result('GRPO', 12, 0.02, 0.1),
];

describe('summarise', () => {
  it('pairs before and after of one seed', () => {
    const { gain, before, after } = summarise('SDPO', results);
    expect(gain.mean).toBeCloseTo((0.6 + 0.78) / 2, 12);
    expect(after.mean - before.mean).toBeCloseTo(gain.mean, 12);
  });
});

describe('curveOf', () => {
  it('averages seeds at equal rollouts', () => {
    expect(curveOf('SDPO', '*', results).points.map((point) => [point.x, point.y])).toEqual([
      [0, 0.01],
      [3072, 0.7],
    ]);
  });
});

describe('closingLine', () => {
  it('prints one number a side for one seed', () => {
    const one = results.filter((entry) => entry.seed === 11);
    const summaries = [summarise('SDPO', one), summarise('GRPO', one)];
    expect(closingLine(summaries, 1, 64.4)).toBe(
      'quickstart: held-out pass@1 SDPO 0.00 -> 0.60, GRPO 0.00 -> 0.10, rollouts 3072, 64 s',
    );
  });

  it('prints mean and spread for several', () => {
    const summaries = [summarise('SDPO', results), summarise('GRPO', results)];
    expect(closingLine(summaries, 2, 120)).toContain('SDPO 0.01±0.01 -> 0.70±0.14');
  });
});

describe('resultTable', () => {
  it('aligns every row', () => {
    const lines = resultTable([summarise('SDPO', results), summarise('GRPO', results)], 2).split('\n');
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });
});
