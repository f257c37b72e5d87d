import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readWorkedExamples, withWorkedExamples } from './worked-examples.js';

const ours = fileURLToPath(new URL('../tasks/worked.jsonl', import.meta.url));
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-science-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const right = { id: 'a', question: 'Which?', options: ['this', 'that'], reply: '<answer>B</answer>' };

describe('readWorkedExamples', () => {
  it('reads the examples that come with the room, and none of no file', async () => {
    const examples = await readWorkedExamples([ours], 'tags');
    expect(examples.map(({ taskId }) => taskId)).toEqual(['ohm', 'speed']);
    expect(await readWorkedExamples([], 'tags')).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['a reply without tags', { reply: 'B' }, 'reply: has not the right form (no-tag)'],
    [
      'a reply that chooses what is not there',
      { reply: '<answer>C</answer>' },
      'reply: has not the right form (not-offered)',
    ],
    ['a missing reply', { reply: undefined }, 'reply: Invalid input: expected string, received undefined'],
    ['a field too many', { answer: 'B' }, 'Unrecognized key: "answer"'],
  ])('refuses %s by file, line and field', async (_name, change, problem) => {
    const path = join(folder, 'worked.jsonl');
    await writeFile(path, JSON.stringify({ ...right, ...change }));
    await expect(readWorkedExamples([path], 'tags')).rejects.toThrow(`${path}:1: ${problem}`);
  });
});

describe('withWorkedExamples', () => {
  it('puts them between the system message and the question, as turns', async () => {
    const examples = await readWorkedExamples([ours], 'tags');
    const messages = [
      { role: 'system', content: 'Choose.' },
      { role: 'user', content: 'Now?\n\nA: yes\nB: no' },
    ];
    const task = { taskId: 't', title: 'Now?', split: 'train', messages, options: [], answer: 'A' };
    const posed = withWorkedExamples(task, examples).messages;
    expect(posed.map(({ role }) => role)).toEqual([
      'system',
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
    expect(posed[1]?.content).toBe(
      'What is the current when 12 V lie across 4 ohm?\n\nA: 16 A\nB: 8 A\nC: 3 A\nD: 48 A',
    );
    expect([posed[0], posed.at(-1)]).toEqual(messages);
    expect(withWorkedExamples(task, [])).toEqual(task);
  });
});
