import { describe, expect, it } from '@jest/globals';
import { CheckerKind } from '@backsight/contract/judge';
import { scriptedSandbox } from '../judging/scripted-sandbox.js';
import type { SandboxEvent, SandboxJob } from '../sandbox/sandbox.js';
import { defaultChecker } from './own-row.js';
import type { CodingTask } from './task.js';
import { tryTaskPrograms } from './try-task-programs.js';

const task = (id: string, rest: Partial<CodingTask>): CodingTask => ({
  id,
  split: 'train',
  title: '',
  messages: [],
  language: 'python',
  answerFormat: 'plain',
  prelude: '',
  tests: [],
  rewardTests: 'public',
  checker: defaultChecker,
  limits: {},
  ...rest,
});
const by = (source: string) => ({
  checker: { ...defaultChecker, kind: CheckerKind.PROGRAM, program: { language: 'python', source } },
});
/** Programs compile but for `bad`. */
async function* compiling({ source }: SandboxJob): AsyncGenerator<SandboxEvent, void, void> {
  const error = { type: 'SyntaxError', message: 'no', lines: [3] };
  yield await Promise.resolve(
    source === 'bad' ? { kind: 'compile-error' as const, error } : { kind: 'compiled' as const },
  );
}

describe('tryTaskPrograms', () => {
  it('compiles each program once, and runs none', async () => {
    const sandbox = scriptedSandbox(compiling, 2);
    const interactor = { language: 'python', source: 'talk' };
    await tryTaskPrograms(
      [task('a', by('one')), task('b', by('one')), task('c', { interactor }), task('d', {})],
      sandbox,
    );
    expect(sandbox.jobs.map(({ source, runs }) => [source, runs.length])).toEqual([
      ['one', 0],
      ['talk', 0],
    ]);
  });

  it('names the task, the role and the line of what does not', async () => {
    const tasks = [task('a', by('one')), task('b', by('bad'))];
    await expect(tryTaskPrograms(tasks, scriptedSandbox(compiling))).rejects.toThrow(
      'task "b": checker: does not compile: SyntaxError: no (line 3)',
    );
  });
});
