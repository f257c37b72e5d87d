import { describe, expect, it } from '@jest/globals';
import {
  chooseHindsight,
  hindsightDefaults,
  hindsightProblems,
  isSuccess,
  removeThinking,
  teacherFeedback,
} from './hindsight.js';
import { type Feedback, type Group, type Rollout } from './rollout.js';

const rollout = (id: string, reward: number, feedback = '', text = `answer ${id}`): Rollout => ({
  id,
  taskId: 'task',
  groupId: 'group',
  promptMessages: [{ role: 'user', content: 'question' }],
  promptIds: [1],
  completionIds: [2],
  logprobs: [-1],
  text,
  outcome: {
    reward,
    solved: reward === 1,
    feedback: feedback === '' ? [] : [{ kind: 'environment', text: feedback, visibility: 'teacher' }],
    truncated: false,
  },
  policyVersion: 0,
});
const group = (...rollouts: readonly Rollout[]): Group => ({ id: 'group', taskId: 'task', rollouts });

describe('chooseHindsight', () => {
  // Who is asked about: a success or a failure. Who else succeeded: nobody or somebody.
  const success = rollout('self', 1, 'well done');
  const failure = rollout('self', 0, 'line 3 fails');
  const silent = rollout('self', 0, ' \n ');
  const other = rollout('other', 1);
  const loser = rollout('loser', 0);

  const table = [
    // asked, sibling, source, feedback, demonstration shown, feedback told (or the reason why nothing is)
    [failure, other, 'peers', 'without-demonstration', 'other', undefined],
    [failure, other, 'peers', 'always', 'other', 'line 3 fails'],
    [failure, other, 'peers', 'never', 'other', undefined],
    [failure, other, 'none', 'without-demonstration', undefined, 'line 3 fails'],
    [failure, other, 'none', 'never', undefined, 'no-feedback'],
    [failure, loser, 'peers', 'without-demonstration', undefined, 'line 3 fails'],
    [failure, loser, 'peers', 'always', undefined, 'line 3 fails'],
    [failure, loser, 'peers', 'never', undefined, 'no-success'],
    [failure, loser, 'peers-and-self', 'never', undefined, 'no-success'],
    [silent, other, 'peers', 'always', 'other', undefined],
    [silent, loser, 'peers', 'without-demonstration', undefined, 'no-success'],
    [silent, loser, 'peers', 'always', undefined, 'no-success'],
    [silent, loser, 'none', 'always', undefined, 'no-feedback'],
    [success, other, 'peers', 'without-demonstration', 'other', undefined],
    [success, loser, 'peers', 'never', undefined, 'only-success'],
    [success, loser, 'peers', 'without-demonstration', undefined, 'well done'],
    [success, loser, 'peers-and-self', 'without-demonstration', 'self', undefined],
    [success, loser, 'peers-and-self', 'always', 'self', 'well done'],
    [success, loser, 'none', 'never', undefined, 'no-feedback'],
  ] as const;

  it.each(table.map((row, index) => ({ index, row })))(
    'follows row $index of the truth table',
    ({ row: [asked, sibling, demonstrationSource, feedback, demonstration, told] }) => {
      const options = { ...hindsightDefaults, demonstrationSource, feedback };
      const chosen = chooseHindsight(asked, group(asked, sibling), options, 0);
      if (typeof chosen === 'string') expect([undefined, chosen]).toEqual([demonstration, told]);
      else expect([chosen.demonstration?.rolloutId, chosen.feedback]).toEqual([demonstration, told]);
    },
  );

  const many = group(failure, ...['a', 'b', 'c', 'd'].map((id) => rollout(id, 1)));
  const shownTo = (asked: Rollout, among: Group, seed: number) => {
    const chosen = chooseHindsight(asked, among, hindsightDefaults, seed);
    return typeof chosen === 'string' ? chosen : chosen.demonstration?.rolloutId;
  };

  it('shows each success equally often over seeds', () => {
    const shown = Array.from({ length: 2000 }, (_, seed) => shownTo(failure, many, seed));
    for (const id of ['a', 'b', 'c', 'd']) {
      // Binomial: 500 of 2000, four standard deviations are 77.
      expect(Math.abs(shown.filter((each) => each === id).length - 500)).toBeLessThan(77);
    }
  });
  it('shows siblings of one group different successes', () => {
    const failures = Array.from({ length: 12 }, (_, index) => rollout(`failure ${index}`, 0));
    const everyone = group(...failures, ...many.rollouts);
    expect(new Set(failures.map((asked) => shownTo(asked, everyone, 0))).size).toBeGreaterThan(1);
  });
  it('chooses alike whatever the order in which rollouts came in', () => {
    const reversed = group(...[...many.rollouts].reverse());
    for (let seed = 0; seed < 20; seed += 1) {
      expect(shownTo(failure, reversed, seed)).toBe(shownTo(failure, many, seed));
    }
  });
  it('shows the whole answer, its thinking removed or kept', () => {
    const thinker = rollout('thinker', 1, '', '<think>hm</think>\n\nreasons\nanswer');
    const told = (thinking: 'removed' | 'kept') =>
      chooseHindsight(failure, group(failure, thinker), { ...hindsightDefaults, thinking }, 0);
    expect(told('removed')).toEqual({ demonstration: { rolloutId: 'thinker', text: 'reasons\nanswer' } });
    expect(told('kept')).toEqual({
      demonstration: { rolloutId: 'thinker', text: '<think>hm</think>\n\nreasons\nanswer' },
    });
  });
  it('never shows a success that is blank once its thinking is removed', () => {
    const mute = rollout('mute', 1, '', '<think>only thoughts</think>\n');
    expect(chooseHindsight(silent, group(silent, mute), hindsightDefaults, 0)).toBe('no-success');
  });
});

describe('isSuccess', () => {
  it('counts a reward at the threshold', () => {
    expect([0.49, 0.5, 1].map((reward) => isSuccess(rollout('a', reward), hindsightDefaults))).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('teacherFeedback', () => {
  const remark = (text: string, visibility: Feedback['visibility']): Feedback => ({
    kind: 'environment',
    text,
    visibility,
  });
  const told = (...feedback: readonly Feedback[]) =>
    teacherFeedback({
      ...rollout('a', 0),
      outcome: { reward: 0, solved: false, truncated: false, feedback },
    });

  it('joins what the teacher may read, verbatim', () => {
    expect(told(remark('  first\n', 'teacher'), remark('second', 'teacher'))).toBe('  first\n\n\nsecond');
  });
  it('never tells what is for people', () => {
    expect(told(remark('hidden test', 'people'))).toBeUndefined();
    expect(told(remark('hidden test', 'people'), remark('seen', 'teacher'))).toBe('seen');
  });
  it('takes blank remarks for none', () => {
    expect(told(remark(' \n\t', 'teacher'))).toBeUndefined();
    expect(told()).toBeUndefined();
  });
});

describe('removeThinking', () => {
  it('removes every closed span and the white space after it', () => {
    expect(removeThinking('<think>a\nb</think>\n\nx <think>c</think> y')).toBe('x y');
  });
  it('ends a span at the first closing tag', () => {
    expect(removeThinking('<think>a</think>b</think>c')).toBe('b</think>c');
  });
  it('leaves a span that never closes', () => {
    expect(removeThinking('x <think>and so on')).toBe('x <think>and so on');
  });
});

describe('hindsightProblems', () => {
  it('finds nothing wrong with the defaults', () => {
    expect(hindsightProblems(hindsightDefaults)).toEqual([]);
  });
  it('names a threshold that every answer would reach', () => {
    expect(hindsightProblems({ ...hindsightDefaults, successThreshold: 0 })).toEqual([
      { field: 'successThreshold', problem: 'must be a number above 0 and at most 1, is 0' },
    ]);
  });
});
