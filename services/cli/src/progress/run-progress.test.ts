import { describe, expect, it } from '@jest/globals';
import type { RunEvent } from '@backsight/contract/coordinator';
import { advance, freshProgress, lastPassRate, secondsLeft } from './run-progress.js';

const event = (kind: RunEvent['kind'], atMs = 0): RunEvent => ({ sequence: 1, atMs, kind });
const finish = (step: number, metrics: Record<string, number> = {}): RunEvent =>
  event({ $case: 'stepFinished', value: { step, policyVersion: step, rollouts: step * 96, metrics } });
const phase = (done: number, atMs: number): RunEvent =>
  event({ $case: 'phaseProgress', value: { step: 1, phase: 'rollout', done, total: 96 } }, atMs);

describe('advance', () => {
  it('keeps the last reward when a step reports none', () => {
    const once = advance(freshProgress(4), finish(1, { 'critic/rewards/mean': 0.25 }));
    expect(advance(once, finish(2)).reward).toBe(0.25);
  });

  it('clears the phase when a step finishes', () => {
    const during = advance(freshProgress(4), phase(10, 0));
    expect(during.phase).toEqual({ name: 'rollout', done: 10, total: 96 });
    expect(advance(during, finish(1)).phase).toBeUndefined();
  });

  it('collects evaluations in order', () => {
    const evaluated = (step: number, passRate: number): RunEvent =>
      event({
        $case: 'evaluated',
        value: { step, split: 'held-out', passRate, reward: passRate, samples: 4, rollouts: 0, figures: {} },
      });
    const progress = [evaluated(0, 0.1), evaluated(4, 0.4)].reduce(advance, freshProgress(4));
    expect(lastPassRate(progress)).toBe(0.4);
    expect(lastPassRate(progress, 'train')).toBeUndefined();
  });

  it('shows a phase as done once its evaluation is there, however much of its progress was skipped', () => {
    const value = {
      step: 0,
      split: 'held-out',
      passRate: 0,
      reward: 0,
      samples: 96,
      rollouts: 0,
      figures: {},
    };
    const progress = [phase(48, 0), event({ $case: 'evaluated', value })].reduce(advance, freshProgress(4));
    expect(progress.phase).toEqual({ name: 'rollout', done: 96, total: 96 });
  });

  it('takes over the failure with the state', () => {
    const failed = advance(
      freshProgress(4),
      event({ $case: 'stateChanged', value: { state: 'RUN_STATE_FAILED', failure: 'the policy is away' } }),
    );
    expect(failed).toMatchObject({ state: 'RUN_STATE_FAILED', failure: 'the policy is away' });
  });
});

describe('secondsLeft', () => {
  it('is unknown before the first finished step', () => {
    expect(secondsLeft(advance(freshProgress(4), phase(1, 0)), 5000)).toBeUndefined();
  });

  it('extrapolates the pace of the steps seen, not of those replayed', () => {
    const replayed = advance(freshProgress(10), finish(4));
    const progress = [phase(1, 10_000), finish(5), finish(6)].reduce(advance, replayed);
    expect(secondsLeft(progress, 14_000)).toBe((4 / 2) * (10 - 6));
  });
});
