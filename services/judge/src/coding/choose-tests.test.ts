import { describe, expect, it } from '@jest/globals';
import type { Test } from '../judging/submission.js';
import { chooseTests } from './choose-tests.js';
import { defaultChecker } from './own-row.js';
import type { RewardTests, TaskRow } from './task.js';

const test = (expected: string, hidden: boolean): Test => ({ kind: 'stdio', input: '', expected, hidden });
const row = (split: string, rewardTests: RewardTests | undefined, tests: readonly Test[]): TaskRow => ({
  id: 'a',
  split,
  title: '',
  messages: [],
  language: 'python',
  answerFormat: 'fenced',
  prelude: '',
  tests,
  rewardTests,
  checker: defaultChecker,
  limits: {},
});
const both = [test('public', false), test('hidden', true)];

describe('chooseTests', () => {
  it.each([
    ['train', undefined, 'public', ['public']],
    ['test', undefined, 'all', ['public', 'hidden']],
    ['train', 'all', 'all', ['public', 'hidden']],
    ['train', 'hidden', 'hidden', ['hidden']],
    ['test', 'public', 'public', ['public']],
  ] as const)('in split %s with reward_tests %s rewards by %s tests', (split, asked, chosen, kept) => {
    const task = chooseTests(row(split, asked, both));
    expect(task).toMatchObject({ rewardTests: chosen, tests: kept.map((expected) => ({ expected })) });
  });

  it.each([
    ['train', undefined, true, 'tests: none of the 1 is public, which the default of split "train" asks for'],
    ['test', 'hidden', false, 'tests: none of the 1 is hidden, which reward_tests "hidden" asks for'],
  ] as const)('says why there is no task in split %s', (split, asked, hidden, why) => {
    expect(chooseTests(row(split, asked, [test('', hidden)]))).toBe(why);
  });
});
