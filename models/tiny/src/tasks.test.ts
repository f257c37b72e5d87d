import { describe, expect, it } from '@jest/globals';
import { readProgram, runProgram } from './program.js';
import { quickstartAnswers, quickstartTasks } from './tasks.js';

describe('quickstartTasks', () => {
  const rows = quickstartTasks(11);
  const of = (split: string) => rows.filter((row) => row.split === split);

  it('splits 48, 24 and 24 questions, none of them twice', () => {
    expect(['train', 'held-out', 'held-out-3'].map((split) => of(split).length)).toEqual([48, 24, 24]);
    expect(new Set(rows.map(({ prompt }) => prompt)).size).toBe(96);
    expect(new Set(rows.map(({ task_id }) => task_id)).size).toBe(96);
  });

  it('holds out combinations of trained words, not words', () => {
    const wordsOf = (split: string) => new Set(of(split).flatMap(({ prompt }) => prompt.split(' then ')));
    const trained = wordsOf('train');
    expect(trained.size).toBe(12);
    for (const word of [...wordsOf('held-out'), ...wordsOf('held-out-3')]) expect(trained).toContain(word);
  });

  it('rewards training by six public tests and evaluation by six hidden ones', () => {
    for (const { tests, reward_tests, split } of rows) {
      expect(tests.map(({ hidden }) => hidden)).toEqual([
        ...Array<boolean>(6).fill(false),
        ...Array<boolean>(6).fill(true),
      ]);
      expect(reward_tests).toBe(split === 'train' ? 'public' : 'hidden');
    }
  });

  it('rewards by other tests when told to', () => {
    const rewards = quickstartTasks(11, { rewardTests: 'all' }).map(({ reward_tests }) => reward_tests);
    expect(new Set(rewards)).toEqual(new Set(['all']));
  });

  it('is right about its tests', () => {
    const answers = quickstartAnswers(11);
    for (const { prompt, tests } of rows) {
      const program = readProgram(answers.get(prompt)!)!;
      for (const { input, output } of tests) {
        expect(runProgram(program, input.split(' ').map(Number)).join(' ')).toBe(output);
      }
    }
  });

  it('depends on the seed alone', () => {
    expect(quickstartTasks(11)).toEqual(rows);
    expect(quickstartTasks(12)).not.toEqual(rows);
    expect(quickstartTasks(11, { prefix: 'a/' }).map(({ task_id }) => task_id)).toEqual(
      rows.map(({ task_id }) => `a/${task_id}`),
    );
  });
});
