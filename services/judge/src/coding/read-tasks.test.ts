import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CheckerKind } from '@backsight/contract/judge';
import { defaultChecker } from './own-row.js';
import { readTasks } from './read-tasks.js';
import { TaskFileError } from './task-file-error.js';

const languages = [
  { name: 'python', version: '3', runs: ['stdio', 'call', 'check', 'dialogue'] },
  { name: 'cpp', version: '12', runs: ['stdio'] },
] as const;
let folder = '';
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-tasks-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function write(...rows: readonly unknown[]): Promise<string> {
  const path = join(folder, `${files++}.jsonl`);
  const lines = rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row)));
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}
const read = async (...rows: readonly unknown[]) => readTasks([await write(...rows)], languages);
/** What is said of these rows, the path left out. */
async function complaints(...rows: readonly unknown[]): Promise<readonly string[]> {
  const path = await write(...rows);
  const error = await readTasks([path], languages).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TaskFileError);
  return (error as TaskFileError).problems.map((problem) => problem.replace(`${path}:`, ''));
}

const stdio = { input: '1\n', output: '2\n' };
const row = { task_id: 'a', prompt: 'Add one.', tests: [stdio] };

describe('readTasks', () => {
  it('reads a row that says only what it must', async () => {
    expect(await read(row)).toEqual([
      {
        id: 'a',
        split: 'train',
        title: 'Add one.',
        messages: [{ role: 'user', content: 'Add one.' }],
        language: 'python',
        answerFormat: 'fenced',
        prelude: '',
        tests: [{ kind: 'stdio', input: '1\n', expected: '2\n', hidden: false }],
        rewardTests: 'public',
        checker: defaultChecker,
        limits: {},
      },
    ]);
  });

  it('reads a row that says everything', async () => {
    const [task] = await read({
      task_id: 7,
      split: 'test',
      title: 'Sevens',
      messages: [
        { role: 'system', content: 'You code.' },
        { role: 'user', content: 'Go.' },
      ],
      language: 'python',
      answer_format: 'plain',
      prelude: 'import math',
      tests: [
        { function: 'f', arguments: [[1], 'x', null], expected: { a: 1.5 }, hidden: true },
        { function: 'f', arguments_json: ['18446744073709551617'], expected_json: '1.0' },
        { assert: 'assert f(1)', hidden: true },
      ],
      reward_tests: 'all',
      checker: { kind: 'floats', absolute_tolerance: 1e-6, relative_tolerance: 1e-9 },
      time_limit_s: 1.5,
      memory_limit_mb: 64,
    });
    expect(task).toMatchObject({
      id: '7',
      split: 'test',
      title: 'Sevens',
      messages: [{ role: 'system' }, { role: 'user' }],
      answerFormat: 'plain',
      prelude: 'import math\n',
      tests: [
        {
          kind: 'call',
          name: 'f',
          argumentsJson: ['[1]', '"x"', 'null'],
          expectedJson: '{"a":1.5}',
          hidden: true,
        },
        { kind: 'call', argumentsJson: ['18446744073709551617'], expectedJson: '1.0', hidden: false },
        { kind: 'assert', code: 'assert f(1)', hidden: true },
      ],
      rewardTests: 'all',
      checker: { kind: CheckerKind.FLOATS, absoluteTolerance: 1e-6, relativeTolerance: 1e-9 },
      limits: { cpuMs: 1500, memoryBytes: 64 << 20 },
    });
  });

  it("reads a task's own checker, or interactor, to which the tests are handed then", async () => {
    const [checked] = await read({ ...row, checker: { program: 'exit(0)', language: 'cpp' } });
    expect(checked?.checker).toMatchObject({
      kind: CheckerKind.PROGRAM,
      program: { language: 'cpp', source: 'exit(0)' },
    });
    const [talking] = await read({ ...row, interactor: { program: 'exit(0)' } });
    expect(talking).toMatchObject({
      interactor: { language: 'python', source: 'exit(0)' },
      tests: [{ kind: 'interactive', input: '1\n', expected: '2\n' }],
    });
  });

  it('keeps the order of the files and their lines, blank ones left out', async () => {
    const one = await write(row, '', { ...row, task_id: 'b' });
    const two = await write({ ...row, task_id: 'c' });
    const tasks = await readTasks([two, one], languages);
    expect(tasks.map(({ id }) => id)).toEqual(['c', 'a', 'b']);
  });

  it.each([
    ['{"task_id": "a"', /^1: not a JSON object \(.+\)$/],
    ['[]', /^1: not a JSON object$/],
    [{ ...row, prompt: undefined }, '1: prompt: exactly one of prompt and messages must be given'],
    [{ ...row, task_id: '' }, '1: task_id: must not be empty'],
    [{ ...row, tests: [] }, /^1: tests: .*>=1/],
    [{ ...row, tests: [{ input: 1, output: '' }] }, '1: tests[0].input: expected string, received number'],
    [{ ...row, task_id: null }, '1: task_id: must be a text or a whole number'],
    [
      { ...row, checker: 5 },
      /^1: checker: must be one of exact, trimmed_lines, .* or \{program, language\}$/,
    ],
    [{ ...row, tests: [{ ...stdio, hiden: true }] }, /^1: tests\[0\]: .*hiden/],
    [
      { ...row, tests: [stdio, { function: '', arguments: [], expected: 1 }] },
      '1: tests[1].function: must not be empty',
    ],
    [
      { ...row, tests: [{ function: 'f', arguments_json: ['1', '{'], expected_json: '1' }] },
      '1: tests[0].arguments_json[1]: must be the text of a JSON value',
    ],
    [{ ...row, promt: 'x' }, /^1: .*promt/],
    [{ ...row, checker: 'fuzzy' }, /^1: checker/],
    [
      { ...row, time_limit_s: 3600 },
      /^1: time_limit_s: gives a cpuMs that must be in \[10, 60000\], is 3600000$/,
    ],
    [{ ...row, memory_limit_mb: 1 }, /^1: memory_limit_mb: gives a memoryBytes that must be in/],
    [{ ...row, language: 'cobol' }, '1: language: "cobol" is none that this judge runs (python, cpp)'],
    [
      { ...row, language: 'cpp', tests: [stdio, { assert: 'x' }] },
      '1: tests[1]: is of kind assert, which programs in cpp are not put to: stdio tests are',
    ],
    [{ ...row, split: 'train', tests: [{ ...stdio, hidden: true }] }, /^1: tests: none of the 1 is public/],
    [
      { ...row, interactor: { program: 'x' }, tests: [stdio, { assert: 'x' }] },
      '1: tests[1]: is of kind assert, which an interactor cannot rule on',
    ],
    [
      { ...row, checker: { program: 'x', language: 'ada' } },
      '1: checker: must be in one of python, cpp, is in "ada"',
    ],
    [{ entry_point: 'f', task_id: 'x', prompt: 'def f(): ...' }, /^1: test: /],
    [{ test_list: [], text: 'x', task_id: 1 }, /^1: test_list: /],
  ])('says where and what is wrong with %j', async (bad, expected) => {
    const [first] = await complaints(bad);
    if (typeof expected === 'string') expect(first).toBe(expected);
    else expect(first).toMatch(expected);
  });

  it('names both places of an identity that comes twice', async () => {
    const [problem] = await complaints(row, row);
    expect(problem).toMatch(/^2: task_id "a" is that of .*:1 too$/);
  });

  it('says everything that is wrong, the first twenty lines of it in words', async () => {
    const path = await write(...Array.from({ length: 30 }, () => 'x'));
    const error = await readTasks([path], languages).catch((thrown: unknown) => thrown);
    expect((error as TaskFileError).problems).toHaveLength(30);
    const lines = (error as TaskFileError).message.split('\n');
    expect(lines).toHaveLength(21);
    expect(lines[20]).toBe('... and 10 more');
  });

  it('says which file is missing, and which is empty', async () => {
    const missing = join(folder, 'none.jsonl');
    await expect(readTasks([missing], languages)).rejects.toThrow(
      `The task file ${missing} cannot be read: it does not exist; BACKSIGHT_TASKS names the files.`,
    );
    await expect(readTasks([folder], languages)).rejects.toThrow(/it is a folder;/);
    const empty = await write('');
    await expect(readTasks([empty], languages)).rejects.toThrow(`${empty}: holds no task`);
  });
});
