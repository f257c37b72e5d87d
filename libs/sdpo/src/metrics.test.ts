import { describe, expect, it } from '@jest/globals';
import { buildExamples, exampleDefaults } from './example.js';
import { hindsightDefaults } from './hindsight.js';
import { type Metrics, stepMetrics } from './metrics.js';
import { groupRollouts, type Rollout } from './rollout.js';

const rollout = (
  id: string,
  groupId: string,
  reward: number,
  told: Partial<Rollout> & { feedback?: string } = {},
): Rollout => ({
  id,
  taskId: groupId,
  groupId,
  promptMessages: [{ role: 'user', content: 'question' }],
  promptIds: [1, 2, 3],
  completionIds: [1, 2],
  logprobs: [-1, -1],
  text: `answer ${id}`,
  outcome: {
    reward,
    solved: reward === 1,
    feedback:
      told.feedback === undefined
        ? []
        : [{ kind: 'environment', text: told.feedback, visibility: 'teacher' }],
    truncated: reward === 0,
  },
  policyVersion: 0,
  ...told,
});

const metricsOf = (rollouts: readonly Rollout[]): Metrics => {
  const groups = groupRollouts(rollouts);
  const set = buildExamples({
    groups,
    options: exampleDefaults,
    seed: 0,
    render: () => [1],
    contextWindow: 100,
  });
  return stepMetrics(groups, set, hindsightDefaults);
};

describe('stepMetrics', () => {
  // One group with a success, one without of which half has feedback.
  const metrics = metricsOf([
    rollout('a', 'g', 1, { completionIds: [1, 2, 3, 4] }),
    rollout('b', 'g', 0),
    rollout('c', 'h', 0, { feedback: 'wrong' }),
    rollout('d', 'h', 0, { text: 'answer c' }),
  ]);

  it('describes rewards and advantages, the latter by token', () => {
    expect(metrics).toMatchObject({
      'critic/score/mean': 1 / 4,
      'critic/score/max': 1,
      'critic/score/min': 0,
      'critic/rewards/mean': 1 / 4,
      // Four tokens at 1/2, two at -1/2, four at 0.
      'critic/advantages/mean': (4 / 2 - 2 / 2) / 10,
      'critic/advantages/max': 1 / 2,
      'critic/advantages/min': -1 / 2,
      'critic/returns/mean': (4 / 2 - 2 / 2) / 10,
      'critic/solved_fraction': 1 / 4,
    });
  });
  it('describes lengths', () => {
    expect(metrics).toMatchObject({
      'response_length/mean': 10 / 4,
      'response_length/max': 4,
      'response_length/min': 2,
      'response_length/clip_ratio': 3 / 4,
      'prompt_length/mean': 3,
    });
  });
  it('describes variety', () => {
    expect(metrics).toMatchObject({
      'response/distinct_fraction': (1 + 1 / 2) / 2,
      'response/repeated_ngram_fraction': 0,
    });
  });
  it('describes what could teach and what did', () => {
    expect(metrics).toMatchObject({
      'self_distillation/success_group_fraction': 1 / 2,
      'self_distillation/success_sample_fraction': 1 / 4,
      'self_distillation/feedback_available_fraction': 1 / 4,
      'self_distillation/feedback_used_fraction': 1 / 4,
      'self_distillation/reprompt_sample_fraction': 2 / 4,
      'self_distillation/reprompt_truncated_fraction': 0,
      'self_distillation/distinct_demonstrations': 1,
      'self_distillation/empty_target_batch': 0,
      'self_distillation/masked/only-success': 1,
      'self_distillation/masked/no-success': 1,
      'self_distillation/group_reward_std_mean': (1 / 2 + 0) / 2,
      'self_distillation/flat_group_fraction': 1 / 2,
    });
  });
  it('reports a step that teaches nothing', () => {
    expect(metricsOf([rollout('a', 'g', 0)])).toMatchObject({ 'self_distillation/empty_target_batch': 1 });
  });
  it('is finite for a step without rollouts', () => {
    expect(Object.values(metricsOf([])).every(Number.isFinite)).toBe(true);
  });
});
