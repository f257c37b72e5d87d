import { describe, expect, it } from '@jest/globals';
import { deflateSync } from 'node:zlib';
import type { TaskRow } from './task.js';
import { liveCodeBenchRow } from './live-code-bench-row.js';
import { humanEvalRow, mbppRow } from './published-rows.js';

describe('humanEvalRow', () => {
  const row = {
    task_id: 'HumanEval/0',
    prompt: 'import math\n\n\ndef helper(x):\n    return x\n\n\ndef half(x):\n    """Half of x."""\n',
    entry_point: 'half',
    canonical_solution: '    return x / 2\n',
    test: '\n\ndef check(candidate):\n    assert candidate(2) == 1\n',
  };

  it('asks for the function and hides its check', () => {
    const task = humanEvalRow.parse(row);
    expect(task).toMatchObject({
      id: 'HumanEval/0',
      split: 'test',
      title: 'half',
      tests: [{ kind: 'assert', code: `${row.test}\n\ncheck(half)\n`, hidden: true }],
    });
    expect(task.messages[0]?.content).toContain('```python\nimport math');
    expect(JSON.stringify(task.messages)).not.toContain('candidate');
  });

  it('puts what stands before the function in front of every answer', () => {
    expect(humanEvalRow.parse(row).prelude).toBe('import math\n\n\ndef helper(x):\n    return x\n\n\n');
    expect(humanEvalRow.parse({ ...row, prompt: 'def half(x):\n' }).prelude).toBe('');
  });
});

describe('mbppRow', () => {
  const row = {
    task_id: 601,
    text: 'Write a function that adds.\r\n',
    code: 'def add(a, b): return a + b',
    test_setup_code: 'import math',
    test_list: ['assert add(1, 2) == 3\r\n', 'assert add(0, 0) == 0'],
    challenge_test_list: ['assert add(-1, 1) == 0'],
  };

  it('shows the first assertion, and hides the challenges', () => {
    const task = mbppRow.parse(row);
    expect(task.tests).toEqual([
      { kind: 'assert', code: 'import math\nassert add(1, 2) == 3', hidden: false },
      { kind: 'assert', code: 'import math\nassert add(0, 0) == 0', hidden: false },
      { kind: 'assert', code: 'import math\nassert add(-1, 1) == 0', hidden: true },
    ]);
    expect(task.messages[0]?.content).toContain('Write a function that adds.\n\nYour program must satisfy');
    expect(task.messages[0]?.content).toContain('assert add(1, 2) == 3');
    expect(task.messages[0]?.content).not.toContain('add(0, 0)');
  });

  it.each([
    [1, 'prompt'],
    [10, 'prompt'],
    [11, 'test'],
    [510, 'test'],
    [511, 'validation'],
    [600, 'validation'],
    [601, 'train'],
  ])('puts %d into the split %s', (id, split) => {
    expect(mbppRow.parse({ ...row, task_id: id })).toMatchObject({ id: `MBPP/${id}`, split });
  });
});

describe('liveCodeBenchRow', () => {
  const cases = (count: number, testtype: string) =>
    Array.from({ length: count }, (_, n) => ({ input: `${n}\n"s"`, output: `${n + 1}`, testtype }));
  const row = {
    question_title: 'Next',
    question_content: 'Print the next number.\n',
    platform: 'atcoder',
    question_id: 'abc_a',
    contest_id: 'abc',
    contest_date: '2025-02-01T00:00:00',
    starter_code: '',
    difficulty: 'easy',
    public_test_cases: JSON.stringify(cases(1, 'stdin')),
    private_test_cases: JSON.stringify(cases(5, 'stdin')),
    metadata: '{}',
  };
  const parse = (change: Partial<typeof row>): readonly TaskRow[] =>
    liveCodeBenchRow.parse({ ...row, ...change });

  it('makes a task of all tests, and one of half the private ones for training', () => {
    const [test, train] = parse({});
    expect(test).toMatchObject({ id: 'abc_a', split: 'test', rewardTests: 'all', limits: { cpuMs: 6000 } });
    expect(test?.tests.map(({ hidden }) => hidden)).toEqual([false, true, true, true, true, true]);
    expect(test?.tests[1]).toEqual({ kind: 'stdio', input: '0\n"s"', expected: '1', hidden: true });
    expect(train).toMatchObject({ id: 'abc_a/train', split: 'train', rewardTests: 'public' });
    expect(train?.tests).toHaveLength(2);
    expect(train?.tests.every(({ hidden }) => !hidden)).toBe(true);
    // In their order, and the same ones every time.
    const order = train?.tests.map((each) => test?.tests.findIndex((one) => same(one, each)));
    expect(order).toEqual([...(order ?? [])].sort());
    expect(parse({})).toEqual(parse({}));
  });

  const same = (one: unknown, other: unknown): boolean =>
    JSON.stringify(one, (key, value: unknown) => (key === 'hidden' ? undefined : value)) ===
    JSON.stringify(other, (key, value: unknown) => (key === 'hidden' ? undefined : value));

  it('trains on one private test at least, and not at all without any', () => {
    expect(parse({ private_test_cases: JSON.stringify(cases(1, 'stdin')) })[1]?.tests).toHaveLength(1);
    expect(parse({ private_test_cases: '[]' })).toHaveLength(1);
  });

  it('unpacks private tests as they are published: base64 of zlib of a pickle', () => {
    const text = Buffer.from(row.private_test_cases);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    const pickle = Buffer.concat([
      Buffer.from([0x80, 4, 0x58]),
      length,
      text,
      Buffer.from('\x94.', 'latin1'),
    ]);
    const packed = deflateSync(pickle).toString('base64');
    expect(parse({ private_test_cases: packed })).toEqual(parse({}));
  });

  it('reads one argument a line for a function, and asks for its code', () => {
    const functional = {
      public_test_cases: JSON.stringify(cases(1, 'functional')),
      private_test_cases: '[]',
      metadata: '{"func_name": "next"}',
      starter_code: 'class Solution:\n    def next(self, n: int) -> int:\n',
    };
    const [task] = parse(functional);
    expect(task?.tests).toEqual([
      { kind: 'call', name: 'next', argumentsJson: ['0', '"s"'], expectedJson: '1', hidden: false },
    ]);
    expect(task?.messages[0]?.content).toContain('Complete this code:\n\n```python\nclass Solution:');
    expect(parse({})[0]?.messages[0]?.content).toContain('Read from standard input');
  });

  it.each([
    [{ public_test_cases: 'x' }, /public_test_cases.*cannot be read/],
    [{ private_test_cases: 'x' }, /private_test_cases.*cannot be read/],
    [{ private_test_cases: deflateSync(Buffer.from('gAQu', 'base64')).toString('base64') }, /holds nothing/],
    [{ metadata: '[]' }, /metadata.*cannot be read/],
    [
      { public_test_cases: JSON.stringify(cases(1, 'functional')) },
      /is functional, but metadata has no func_name/,
    ],
    [
      {
        public_test_cases: '[{"input": "{", "output": "1", "testtype": "functional"}]',
        metadata: '{"func_name": "f"}',
      },
      /input line 1 is no JSON value/,
    ],
    [
      {
        public_test_cases: '[{"input": "1", "output": "?", "testtype": "functional"}]',
        metadata: '{"func_name": "f"}',
      },
      /output is no JSON value/,
    ],
  ])('names the field that is wrong: %j', (change, why) => {
    const { error } = liveCodeBenchRow.safeParse({ ...row, ...change });
    const said = error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
    expect(said).toMatch(why);
  });
});
