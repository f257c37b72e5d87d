import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TaskFileError } from '@backsight/environment';
import { readConfig } from './config.js';
import { readTaskFiles } from './task-file.js';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-tools-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function file(...rows: readonly unknown[]): Promise<string> {
  const path = join(folder, `${Math.random()}.jsonl`);
  await writeFile(path, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'));
  return path;
}

const problemsOf = (files: readonly string[]): Promise<readonly string[]> =>
  readTaskFiles(files).then(
    () => [],
    (error: unknown) => (error instanceof TaskFileError ? error.problems : [String(error)]),
  );

const right = { idx: 1, prompt: 'Question: a?', answer: '[{"Action": "a", "Action_Input": "{}"}]' };

describe('readTaskFiles', () => {
  it('reads the examples that come with the room', async () => {
    const tasks = await readTaskFiles(readConfig({}).tasks);
    expect(tasks).toHaveLength(11);
    expect(tasks[0]).toMatchObject({
      taskId: 'tooluse/4046',
      title: 'Hey, can you show me a random picture of an axolotl?',
      gold: [{ action: 'getRandomAxolotlImage', input: {}, optional: false }],
    });
    expect(tasks.at(-1)?.gold.map(({ action, optional }) => [action, optional])).toEqual([
      ['getUserProfile', false],
      ['updateUserProfile', true],
    ]);
  });

  it('puts a system message before the question', async () => {
    const [task] = await readTaskFiles([await file({ ...right, system: 'Be brief.' })]);
    expect(task?.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Question: a?' },
    ]);
  });

  it('takes the split of a row, and else holds about a fifth of the tasks out by their identity', async () => {
    const many = Array.from({ length: 1000 }, (_, idx) => ({ ...right, idx }));
    const tasks = await readTaskFiles([await file(...many, { ...right, id: 'mine', split: 'validation' })]);
    const held = tasks.filter(({ split }) => split === 'test').length;
    expect(tasks.at(-1)).toMatchObject({ taskId: 'mine', split: 'validation' });
    expect(held).toBeGreaterThan(150);
    expect(held).toBeLessThan(250);
    const again = await readTaskFiles([await file(...many.reverse())]);
    expect(new Set(again.filter(({ split }) => split === 'test').map(({ taskId }) => taskId))).toEqual(
      new Set(tasks.filter(({ split }) => split === 'test').map(({ taskId }) => taskId)),
    );
  });

  it.each<[string, unknown, string]>([
    ['what is not JSON', '{"idx": 1,', 'is not JSON'],
    [
      'a missing prompt',
      { idx: 1, answer: right.answer },
      'prompt: must be a text or a list of {role, content}',
    ],
    [
      'a field of another type',
      { ...right, idx: 'one' },
      'idx: Invalid input: expected number, received string',
    ],
    [
      'no identity',
      { prompt: 'a', answer: right.answer },
      'id: give each task an id, or the idx of the published rows',
    ],
    [
      'an answer that is not JSON',
      { ...right, answer: 'Action: a' },
      'answer: is not the JSON text of a list of {Action, Action_Input}',
    ],
    [
      'an answer without calls',
      { ...right, answer: '[]' },
      'answer: Too small: expected array to have >=1 items',
    ],
    [
      'a call without a name',
      { ...right, answer: '[{"Action_Input": "{}"}]' },
      'answer[0].Action: Invalid input: expected string, received undefined',
    ],
    [
      'arguments that are no object',
      { ...right, answer: '[{"Action": "a", "Action_Input": "[1]"}]' },
      'answer[0].Action_Input: is not a JSON object',
    ],
    [
      'only optional calls',
      { ...right, answer: '[{"Action": "[Optional]a", "Action_Input": "{}"}]' },
      'answer: every call is optional',
    ],
  ])('names file and line of %s', async (_name, row, problem) => {
    const path = await file(right, '', row);
    expect(await problemsOf([path])).toEqual([`${path}:3: ${problem}`]);
  });

  it('refuses a task that is there twice, and says where', async () => {
    const [a, b] = [await file(right), await file({ ...right, idx: 2 }, right)];
    expect(await problemsOf([a, b])).toEqual([`${b}:2: the task "tooluse/1" is in ${a}:1 already`]);
  });

  it('says in one sentence that a file is missing, is a folder, or holds no task', async () => {
    const missing = join(folder, 'none.jsonl');
    const empty = await file('');
    expect(await problemsOf([missing])).toEqual([`${missing}: there is no such file`]);
    expect(await problemsOf([folder])).toEqual([`${folder}: is a folder; name the files in it`]);
    expect(await problemsOf([empty])).toEqual([`there is no task in ${empty}`]);
  });

  it('tells ten problems and counts the rest', async () => {
    const problems = await problemsOf([await file(...Array.from({ length: 15 }, () => 'x'))]);
    expect(problems).toHaveLength(11);
    expect(problems[10]).toBe('and 5 more problems');
  });
});
