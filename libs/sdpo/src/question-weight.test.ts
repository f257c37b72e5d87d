import { describe, expect, it } from '@jest/globals';
import { questionWeights } from './question-weight.js';
import { type Group } from './rollout.js';

const group = (...rewards: readonly number[]): Group => ({
  id: 'group',
  taskId: 'task',
  rollouts: rewards.map((reward, index) => ({
    id: `rollout ${index}`,
    taskId: 'task',
    groupId: 'group',
    promptMessages: [],
    promptIds: [],
    completionIds: [],
    logprobs: [],
    text: '',
    outcome: { reward, solved: false, feedback: [], truncated: false },
    policyVersion: 0,
  })),
});

describe('questionWeights', () => {
  const groups = [group(1, 0), group(1, 0, 0, 0), group(1, 1), group(0, 0)];

  it('is 1 throughout by default', () => {
    expect(questionWeights(groups, 'equal', 0.5)).toEqual([1, 1, 1, 1]);
  });
  it('is sqrt(p (1 - p)) over its mean by uncertainty', () => {
    const spreads = [1 / 2, Math.sqrt(3) / 4, 0, 0];
    const mean = (1 / 2 + Math.sqrt(3) / 4) / 4;
    questionWeights(groups, 'uncertainty', 0.5).forEach((weight, index) => {
      expect(weight).toBeCloseTo(spreads[index]! / mean, 14);
    });
  });
  it('has a mean of 1', () => {
    const weights = questionWeights(groups, 'uncertainty', 0.5);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(4, 12);
  });
  it('counts successes at the threshold', () => {
    expect(questionWeights([group(0.6, 0.4), group(1, 0)], 'uncertainty', 0.7)).toEqual([0, 2]);
  });
  it('is 1 throughout when every question is decided', () => {
    expect(questionWeights([group(1, 1), group(0, 0)], 'uncertainty', 0.5)).toEqual([1, 1]);
  });
});
