import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fieldProblem, readTaskFiles, type RowReading, TaskFileError } from './task-files.js';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-environment-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function file(name: string, ...lines: readonly string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, lines.join('\n'));
  return path;
}

/** A row is its task's name; `?` has two problems. */
const readRow = (
  row: unknown,
  from: string,
): RowReading<{ readonly taskId: string; readonly from: string }> =>
  row === '?'
    ? { kind: 'problems', problems: ['a: is wrong', 'b: is missing'] }
    : { kind: 'task', task: { taskId: String(row), from } };

const problemsOf = (...files: readonly string[]): Promise<readonly string[]> =>
  readTaskFiles(files, readRow).then(
    () => [],
    (error: unknown) => (error instanceof TaskFileError ? error.problems : [String(error)]),
  );

describe('readTaskFiles', () => {
  it('reads the rows of all files in order, past empty lines, and tells the reader which file it is in', async () => {
    const [one, two] = [await file('one', '"a"', '', '"b"', ''), await file('two', '"c"')];
    expect(await readTaskFiles([one, two], readRow)).toEqual([
      { taskId: 'a', from: one },
      { taskId: 'b', from: one },
      { taskId: 'c', from: two },
    ]);
  });

  it('names file and line of every problem of every file', async () => {
    const [one, two] = [await file('one', '"a"', '?', '"?"'), await file('two', '"a"')];
    expect(await problemsOf(one, two)).toEqual([
      `${one}:2: is not JSON`,
      `${one}:3: a: is wrong`,
      `${one}:3: b: is missing`,
      `${two}:1: the task "a" is in ${one}:1 already`,
    ]);
  });

  it('says in one sentence that a file is missing, is a folder, or that there is no task', async () => {
    const missing = join(folder, 'none');
    const empty = await file('empty', '');
    expect(await problemsOf(missing)).toEqual([`${missing}: there is no such file`]);
    expect(await problemsOf(folder)).toEqual([`${folder}: is a folder; name the files in it`]);
    expect(await problemsOf(empty)).toEqual([`there is no task in ${empty}`]);
  });

  it('tells ten problems and counts the rest', async () => {
    const problems = await problemsOf(await file('bad', ...Array<string>(15).fill('?')));
    expect(problems).toHaveLength(11);
    expect(problems[10]).toBe('and 5 more problems');
  });
});

describe('fieldProblem', () => {
  it('writes the path of the field as code would', () => {
    expect(fieldProblem(['a', 'b', 0, 'c'], 'is wrong')).toBe('a.b[0].c: is wrong');
    expect(fieldProblem([], 'is no row')).toBe('is no row');
  });
});
