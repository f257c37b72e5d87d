import { describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { type Environment, FeedbackKind, type Outcome } from '@backsight/environment';
import { cutOff, noFencedProgram, noProgram } from '../feedback.js';
import type { Answer } from '../judging/judge.js';
import type { Fate, Submission, Test } from '../judging/submission.js';
import { codingEnvironment, type CodingEnvironmentOptions } from './coding-environment.js';
import { defaultChecker } from './own-row.js';
import type { CodingTask } from './task.js';

const { signal } = new AbortController();
const shown: Test = { kind: 'stdio', input: '1', expected: '1', hidden: false };
const hidden: Test = { kind: 'stdio', input: '2', expected: '2', hidden: true };
const task: CodingTask = {
  id: 'a',
  split: 'train',
  title: 'A task',
  messages: [{ role: 'user', content: 'Echo.' }],
  language: 'python',
  answerFormat: 'fenced',
  prelude: 'import os\n',
  tests: [shown],
  rewardTests: 'public',
  checker: defaultChecker,
  limits: { cpuMs: 500 },
};
const fenced = (program: string) => ({ text: `\`\`\`python\n${program}\n\`\`\``, truncated: false });

/** A judge who accepts the program `right`, and finds in every other one a wrong answer on the tests. */
function scriptedJudge() {
  const submissions: Submission[] = [];
  return {
    submissions,
    judge: (submission: Submission): Promise<Answer> => {
      submissions.push(submission);
      const right = submission.source === 'right';
      const verdict = right ? Verdict.ACCEPTED : Verdict.WRONG_ANSWER;
      const fates = submission.tests.map((test, index): Fate => ({
        test: index,
        verdict,
        cpuMs: 1,
        wallMs: 1,
        peakMemoryBytes: 1,
        exitCode: 0,
        signal: undefined,
        limit: undefined,
        error: undefined,
        output: right || test.hidden ? undefined : '0',
      }));
      const total = fates.length;
      const judgement = { verdict, fates, passed: right ? total : 0, total };
      return Promise.resolve({ judgement, queueMs: 0, runMs: 0, cached: false });
    },
  };
}

function environmentOf(options: Partial<CodingEnvironmentOptions> = {}): Environment {
  return codingEnvironment({
    tasks: [task],
    judge: scriptedJudge(),
    feedback: { maxWrongAnswers: 2, selection: 'shortest', maxCharacters: 2000 },
    maxTurns: 1,
    capacity: 8,
    ...options,
  });
}

/** Plays these answers; what was observed on the way, and the outcome. */
async function play(
  environment: Environment,
  id: string,
  answers: readonly { text: string; truncated: boolean }[],
) {
  const episode = environment.play(id, { seed: 3, signal });
  if (episode === undefined) throw new Error(`no task ${id}`);
  const observed: string[] = [];
  let step = await episode.next();
  for (const answer of answers) {
    if (step.done === true) throw new Error('the episode is over');
    observed.push(...step.value.messages.map(({ content }) => content));
    step = await episode.next(answer);
  }
  return { observed, outcome: step.done === true ? step.value : undefined };
}
const outcomeOf = async (
  environment: Environment,
  text: string,
  truncated = false,
): Promise<Outcome | undefined> => (await play(environment, 'a', [{ text, truncated }])).outcome;

describe('codingEnvironment', () => {
  it('lists its tasks by split, in their order', () => {
    const tasks = ['b', 'a', 'c'].map((id) => ({ ...task, id, split: id === 'c' ? 'test' : 'train' }));
    const environment = environmentOf({ tasks });
    expect(environment.splits()).toEqual([
      { name: 'train', taskCount: 2 },
      { name: 'test', taskCount: 1 },
    ]);
    expect(environment.tasks('train')).toEqual([
      { taskId: 'b', title: 'A task' },
      { taskId: 'a', title: 'A task' },
    ]);
    expect(environment.tasks('validation')).toBeUndefined();
    expect(environment.play('z', { seed: 0, signal })).toBeUndefined();
  });

  it('rewards a right program, and hands the judge all the task says', async () => {
    const judge = scriptedJudge();
    const outcome = await outcomeOf(environmentOf({ judge }), fenced('right').text);
    expect(outcome).toEqual({
      reward: 1,
      feedback: [],
      details: {
        verdict: 'accepted',
        passed: 1,
        total: 1,
        passed_fraction: 1,
        reward_tests: 'public',
        turns: 1,
      },
    });
    expect(judge.submissions).toMatchObject([
      {
        source: 'right',
        prelude: 'import os\n',
        tests: [shown],
        checker: { kind: CheckerKind.TRIMMED_LINES },
        limits: { cpuMs: 500, wallMs: 3500 },
      },
    ]);
  });

  it('tells what is wrong with a wrong one', async () => {
    expect(await outcomeOf(environmentOf(), fenced('wrong').text)).toMatchObject({
      reward: 0,
      feedback: [
        { kind: FeedbackKind.ENVIRONMENT, text: 'Wrong answer on test 1\nInput: 1\nOutput: 0\nExpected: 1' },
      ],
      details: { verdict: 'wrong_answer', passed_fraction: 0 },
    });
  });

  it.each([
    ['no program', 'I do not know.', false, FeedbackKind.FORMAT, noFencedProgram('python')],
    ['no program, cut off', 'I think that', true, FeedbackKind.TRUNCATION, cutOff],
    ['half a program, cut off', '```python\nprint(', true, FeedbackKind.TRUNCATION, cutOff],
  ])('runs nothing for %s', async (_name, text, truncated, kind, words) => {
    const judge = scriptedJudge();
    expect(await outcomeOf(environmentOf({ judge }), text, truncated)).toMatchObject({
      reward: 0,
      feedback: [{ kind, text: words }],
      details: { verdict: 'format_error' },
    });
    expect(judge.submissions).toEqual([]);
  });

  it('runs a whole program of an answer that was cut off behind it, and an open block that was not cut off', async () => {
    expect(await outcomeOf(environmentOf(), `${fenced('right').text}\nThis works bec`, true)).toMatchObject({
      reward: 1,
    });
    expect(await outcomeOf(environmentOf(), '```python\nright')).toMatchObject({ reward: 1 });
  });

  it('takes the whole answer where the task says so', async () => {
    const environment = environmentOf({ tasks: [{ ...task, answerFormat: 'plain' }] });
    expect(await outcomeOf(environment, 'right')).toMatchObject({ reward: 1 });
    expect(await outcomeOf(environment, ' \n')).toMatchObject({
      reward: 0,
      feedback: [{ kind: FeedbackKind.FORMAT, text: noProgram('python') }],
    });
  });

  it('says nothing about hidden tests, in the outcome or on the way', async () => {
    const environment = environmentOf({ tasks: [{ ...task, split: 'test', tests: [hidden] }], maxTurns: 2 });
    const { observed, outcome } = await play(environment, 'a', [fenced('wrong'), fenced('wrong')]);
    expect(observed).toEqual(['Echo.', 'The program fails a hidden test.']);
    expect(outcome).toMatchObject({ reward: 0, feedback: [], details: { passed: 0, total: 1, turns: 2 } });
  });

  it('answers with feedback as the next observation, until it is right or the turns are used up', async () => {
    const environment = environmentOf({ maxTurns: 3 });
    const solved = await play(environment, 'a', [
      fenced('wrong'),
      { text: '', truncated: false },
      fenced('right'),
    ]);
    expect(solved.observed).toEqual([
      'Echo.',
      expect.stringContaining('Wrong answer on test 1'),
      noFencedProgram('python'),
    ]);
    expect(solved.outcome).toMatchObject({ reward: 1, feedback: [], details: { turns: 3 } });
    const early = await play(environment, 'a', [fenced('right')]);
    expect(early.outcome).toMatchObject({ reward: 1, details: { turns: 1 } });
    const late = await play(environment, 'a', [fenced('wrong'), fenced('wrong'), fenced('wrong')]);
    expect(late.outcome).toMatchObject({ reward: 0, feedback: [{}], details: { turns: 3 } });
  });

  it('makes no outcome of a judge that fails', async () => {
    const judge = { judge: () => Promise.reject(new Error('no sandbox')) };
    await expect(outcomeOf(environmentOf({ judge }), fenced('right').text)).rejects.toThrow('no sandbox');
  });
});
