import { describe, expect, it } from '@jest/globals';
import type { RunEvent } from '@backsight/contract/coordinator';
import { curvesOf, type ReadRun, readingsOf } from './readings.js';

const step = (step: number, rollouts: number, metrics: Record<string, number>): RunEvent => ({
  sequence: step,
  atMs: 0,
  kind: { $case: 'stepFinished', value: { step, policyVersion: step, rollouts, metrics } },
});
const evaluated = (rollouts: number, passRate: number): RunEvent => ({
  sequence: 0,
  atMs: 0,
  kind: {
    $case: 'evaluated',
    value: {
      step: 0,
      split: 'test',
      passRate,
      reward: 0.5,
      samples: 4,
      rollouts,
      figures: { form_valid: 1 },
    },
  },
});

describe('readingsOf', () => {
  it('has every figure of steps and of evaluations, by rollouts', () => {
    const readings = readingsOf([
      evaluated(0, 0.1),
      step(1, 8, { a: 1, b: 2 }),
      step(2, 16, { a: 3 }),
      evaluated(16, 0.4),
    ]);
    expect(Object.fromEntries(readings)).toEqual({
      a: [
        { x: 8, y: 1 },
        { x: 16, y: 3 },
      ],
      b: [{ x: 8, y: 2 }],
      'test/pass_rate': [
        { x: 0, y: 0.1 },
        { x: 16, y: 0.4 },
      ],
      'test/reward': [
        { x: 0, y: 0.5 },
        { x: 16, y: 0.5 },
      ],
      'test/form_valid': [
        { x: 0, y: 1 },
        { x: 16, y: 1 },
      ],
    });
  });

  it('takes a step that was taken again as it was taken last', () => {
    expect(readingsOf([step(1, 8, { a: 1 }), step(1, 8, { a: 2 })]).get('a')).toEqual([{ x: 8, y: 2 }]);
  });
});

describe('curvesOf', () => {
  const run = (name: string, ...values: number[]): ReadRun => ({
    name,
    readings: readingsOf(values.map((value, i) => step(i + 1, 8 * (i + 1), { a: value }))),
  });

  it('averages runs of one name, and readings into points', () => {
    const curves = curvesOf([run('sdpo', 0, 1, 1), run('grpo', 0, 0, 0), run('sdpo', 0, 1, 0)], 'a', 2);
    expect(curves).toEqual([
      {
        name: 'sdpo',
        mark: '#',
        points: [
          { x: 16, y: 0.5, spread: 0 },
          { x: 24, y: 0.5, spread: Math.SQRT1_2 },
        ],
      },
      {
        name: 'grpo',
        mark: '.',
        points: [
          { x: 16, y: 0, spread: 0 },
          { x: 24, y: 0, spread: 0 },
        ],
      },
    ]);
  });

  it('leaves out what a run does not have', () => {
    expect(curvesOf([run('sdpo', 1)], 'b', 1)).toEqual([{ name: 'sdpo', mark: '#', points: [] }]);
  });
});
