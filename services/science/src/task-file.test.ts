import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TaskFileError } from '@backsight/environment';
import { readConfig } from './config.js';
import { defaultSystem, letterSystem, readTaskFiles } from './task-file.js';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-science-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function file(name: string, ...rows: readonly unknown[]): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  return path;
}

/** A row in the form of the published data. */
const published = {
  idx: 7,
  kind: 'mcq',
  dataset: 'sciknoweval',
  answer: 'B',
  elo: 1500,
  prompt: 'What is  the voltage?\n\nA: 1 V\nB: 2 V\nPlease reason step by step.',
  description: 'What is the voltage? It will be evaluated.',
  tests: '-',
  embedding: [],
  system: '\nSelect the right answer.\n',
};
const own = { id: 'volts', split: 'train', question: 'What is it?', options: ['1 V', '2 V'], answer: 'B' };

const problemOf = async (row: unknown, name = 'physics/train.jsonl'): Promise<string> => {
  const path = await file(name, row);
  const error = await readTaskFiles([path], 'tags').then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof TaskFileError ? error.message.replace(`${path}:1: `, '') : String(error);
};

describe('readTaskFiles', () => {
  it('reads the examples that come with the room', async () => {
    const tasks = await readTaskFiles(readConfig({}).tasks, 'tags');
    expect(tasks.map(({ split }) => split)).toEqual([
      ...Array<string>(6).fill('train'),
      'test',
      'test',
      'test',
    ]);
    expect(new Set(tasks.map(({ options }) => options.length))).toEqual(new Set([2, 3, 4, 5, 6]));
  });

  it('reads a published row as it is, its system prompt and its question to the letter', async () => {
    const tasks = await readTaskFiles([await file('physics/train.jsonl', published)], 'tags');
    expect(tasks).toEqual([
      {
        taskId: 'physics/7',
        title: 'What is the voltage?',
        split: 'train',
        messages: [
          { role: 'system', content: published.system },
          { role: 'user', content: published.prompt },
        ],
        options: [
          { letter: 'A', text: '1 V' },
          { letter: 'B', text: '2 V' },
        ],
        answer: 'B',
      },
    ]);
  });

  it('writes the options of a row of its own under the question, and says how to answer', async () => {
    const [task, bare] = await readTaskFiles(
      [await file('mine.jsonl', own, { ...own, id: 'bare', system: '', title: 'Volts' })],
      'tags',
    );
    expect(task).toMatchObject({
      taskId: 'volts',
      title: 'What is it?',
      messages: [
        { role: 'system', content: defaultSystem },
        { role: 'user', content: 'What is it?\n\nA: 1 V\nB: 2 V' },
      ],
    });
    expect(bare).toMatchObject({ title: 'Volts', messages: [{ role: 'user' }] });
    expect(bare?.messages).toHaveLength(1);
  });

  it('where a letter is asked for keeps question and options, and nothing that asks for another form', async () => {
    const tasks = await readTaskFiles(
      [
        await file('physics/train.jsonl', published),
        await file('mine.jsonl', { ...own, question: 'What is  the voltage?' }),
      ],
      'letter',
    );
    const posed = [
      { role: 'system', content: letterSystem },
      { role: 'user', content: 'What is  the voltage?\n\nA: 1 V\nB: 2 V' },
    ];
    expect(tasks.map(({ messages }) => messages)).toEqual([posed, posed]);
  });

  it('takes the split from the row, else from the name of the file, and the domain from folder or file alike', async () => {
    const places = async (name: string, row: unknown) =>
      (await readTaskFiles([await file(name, row)], 'tags')).map(({ taskId, split }) => `${taskId} ${split}`);
    expect(await places('physics/test.jsonl', published)).toEqual(['physics/7 test']);
    expect(await places('all/physics-test.jsonl', published)).toEqual(['physics/7 test']);
    expect(await places('physics/test.jsonl', { ...published, split: 'mine' })).toEqual(['physics/7 mine']);
    expect(await places('quiz.jsonl', { ...published, split: 'mine', id: 'q' })).toEqual(['q mine']);
  });

  it.each<[string, unknown, string]>([
    ['a row that is no object', 3, 'Invalid input: expected object, received number'],
    [
      'a missing answer',
      { ...published, answer: undefined },
      'answer: Invalid input: expected string, received undefined',
    ],
    ['another kind of task', { ...published, kind: 'code' }, 'kind: Invalid input: expected "mcq"'],
    ['an answer that is no option', { ...published, answer: 'C' }, 'answer: must be one of A, B, is "C"'],
    [
      'a prompt without options',
      { ...published, prompt: 'Why?' },
      'prompt: has no two lines "A: ...", "B: ..." with options',
    ],
    ['one option', { ...own, options: ['1 V'] }, 'options: Too small: expected array to have >=2 items'],
    [
      'an empty option',
      { ...own, options: ['1 V', ''] },
      'options[1]: Too small: expected string to have >=1 characters',
    ],
    ['a field that is not of the format', { ...own, anwser: 'B' }, 'Unrecognized key: "anwser"'],
    ['a text in place of a letter', { ...own, answer: '2 V' }, 'answer: must be one of A, B, is "2 V"'],
  ])('names the field of %s', async (_name, row, problem) => {
    expect(await problemOf(row)).toBe(problem);
  });

  it('asks for a split where neither row nor file name one', async () => {
    expect(await problemOf(published, 'physics.jsonl')).toBe(
      'split: give each task one, or name the file after it, as in train.jsonl',
    );
  });
});
