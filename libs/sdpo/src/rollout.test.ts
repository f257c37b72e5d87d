import { describe, expect, it } from '@jest/globals';
import { groupRollouts, type Rollout } from './rollout.js';

const rollout = (id: string, groupId: string): Rollout => ({
  id,
  taskId: `task of ${groupId}`,
  groupId,
  promptMessages: [],
  promptIds: [],
  completionIds: [],
  logprobs: [],
  text: '',
  outcome: { reward: 0, solved: false, feedback: [], truncated: false },
  policyVersion: 0,
});

describe('groupRollouts', () => {
  it('gathers by group, in order of first appearance', () => {
    const groups = groupRollouts([rollout('1', 'b'), rollout('2', 'a'), rollout('3', 'b')]);
    expect(groups.map(({ id, taskId, rollouts }) => [id, taskId, rollouts.map((each) => each.id)])).toEqual([
      ['b', 'task of b', ['1', '3']],
      ['a', 'task of a', ['2']],
    ]);
  });
});
