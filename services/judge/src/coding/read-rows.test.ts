import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CheckerKind } from '@backsight/contract/judge';
import { readRows, UnreadableFile } from './read-rows.js';
import { readTasks } from './read-tasks.js';
import { TaskFileError } from './task-file-error.js';

const languages = [{ name: 'python', version: '3', runs: ['stdio', 'call', 'check'] }] as const;
const fixture = (name: string): string => resolve(import.meta.dirname, '../../fixtures', name);

describe('readRows', () => {
  it('tells where each line stands, and what is no object', async () => {
    const text = '{"a":1}\n\n[]\n{\n';
    expect(await readRows('x.jsonl', Buffer.from(text))).toEqual([
      { place: 'x.jsonl:1', row: { a: 1 } },
      { place: 'x.jsonl:3', problem: 'not a JSON object' },
      { place: 'x.jsonl:4', problem: expect.stringMatching(/^not a JSON object \(/) },
    ]);
  });

  it('reads a table of lists and structs, nulls left out', async () => {
    const name = fixture('parquet_tasks.parquet');
    const rows = await readRows('x', await readFile(name));
    expect(rows).toHaveLength(3);
    expect(rows[1]).toEqual({
      place: 'x: row 2',
      row: {
        task_id: 'add',
        split: 'test',
        messages: [
          { role: 'system', content: 'You code.' },
          { role: 'user', content: 'Write add(a, b).' },
        ],
        tests: [
          { function: 'add', arguments: [1, 2], expected: 3 },
          { function: 'add', arguments_json: ['[1]', '18446744073709551617'], expected_json: 'null' },
          { assert: 'assert add(1, 1) == 2' },
        ],
        time_limit_s: 1.5,
      },
    });
  });

  it('says what is wrong with a table that was cut off', async () => {
    const whole = await readFile(fixture('parquet_tasks.parquet'));
    await expect(readRows('x', whole.subarray(0, 900))).rejects.toThrow(UnreadableFile);
    await expect(readRows('x', Buffer.from('PAR1'))).rejects.toThrow(/^is no parquet file: /);
  });
});

describe('readTasks', () => {
  it("reads tables of Backsight's own rows", async () => {
    expect(await readTasks([fixture('parquet_tasks.parquet')], languages)).toMatchObject([
      {
        id: 'sum',
        tests: [{ kind: 'stdio', input: '1 2\n', expected: '3\n', hidden: false }],
        limits: { memoryBytes: 64 << 20 },
      },
      {
        id: 'add',
        split: 'test',
        tests: [
          { kind: 'call', argumentsJson: ['1', '2'], expectedJson: '3' },
          { kind: 'call', argumentsJson: ['[1]', '18446744073709551617'], expectedJson: 'null' },
          { kind: 'assert' },
        ],
        limits: { cpuMs: 1500 },
      },
      { id: 'half', checker: { kind: CheckerKind.FLOATS, absoluteTolerance: 1e-6 } },
    ]);
  });

  it('reads a table of LiveCodeBench, private tests included', async () => {
    expect(await readTasks([fixture('live_code_bench.parquet')], languages)).toMatchObject([
      { id: 'abc001_a', split: 'test', tests: { length: 5 } },
      { id: 'abc001_a/train', split: 'train', tests: { length: 2 } },
    ]);
  });

  it('names file, row and field of what is wrong in a table', async () => {
    const path = fixture('parquet_broken.parquet');
    const error = await readTasks([path], languages).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TaskFileError);
    expect((error as TaskFileError).problems).toEqual([
      `${path}: row 2: tests: Too small: expected array to have >=1 items`,
      `${path}: row 3: tests[1].output: expected string, received undefined`,
      `${path}: row 4: tests[0].arguments[0]: 1152921504606846976 is more than a JSON number keeps; arguments_json and expected_json take its text`,
      `${path}: row 5: task_id "sum" is that of ${path}: row 1 too`,
    ]);
  });
});
