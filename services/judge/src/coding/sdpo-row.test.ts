import { describe, expect, it } from '@jest/globals';
import { sdpoRow } from './sdpo-row.js';

const bundle = { inputs: ['1\n'], outputs: ['2\n'], testtype: 'stdin', fn_name: null, time_limit: 6 };
const row = (tests: unknown, split = 'train') => ({
  data_source: 'livecodebench',
  prompt: [
    { role: 'system', content: 'You code.' },
    { role: 'user', content: 'Add one.' },
  ],
  ability: 'code',
  reward_model: { style: 'rule', ground_truth: typeof tests === 'string' ? tests : JSON.stringify(tests) },
  extra_info: { split, index: 7, description: '', problem: 'Add one.\nTo what you read.', elo: null },
});
const complaintOf = (tests: unknown): string => {
  const parsed = sdpoRow.safeParse(row(tests));
  return parsed.success
    ? 'none'
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join();
};

describe('sdpoRow', () => {
  it('reads programs with standard input, the tests of split train public', () => {
    expect(sdpoRow.parse(row(bundle))).toMatchObject({
      id: 'livecodebench/train/7',
      split: 'train',
      title: 'Add one.',
      messages: [{ role: 'system' }, { role: 'user', content: 'Add one.' }],
      tests: [{ kind: 'stdio', input: '1\n', expected: '2\n', hidden: false }],
      rewardTests: 'all',
      limits: { cpuMs: 6000, memoryBytes: 1 << 30 },
    });
    expect(sdpoRow.parse(row(bundle, 'test')).tests).toMatchObject([{ hidden: true }]);
    expect(sdpoRow.parse(row({ ...bundle, time_limit: null })).limits.cpuMs).toBe(1000);
  });

  it('reads functions: a JSON value a line, or between blanks', () => {
    const calls = {
      inputs: ['[1, 2]\n"a b"', '1 2'],
      outputs: ['[3]', { a: 'text' }],
      testtype: 'functional',
      fn_name: 'f',
    };
    expect(sdpoRow.parse(row(calls)).tests).toMatchObject([
      { kind: 'call', name: 'f', argumentsJson: ['[1, 2]', '"a b"'], expectedJson: '[3]' },
      { kind: 'call', argumentsJson: ['1', '2'], expectedJson: '{"a":"text"}' },
    ]);
  });

  it.each([
    ['{', /^reward_model\.ground_truth: is no JSON text/],
    [{ ...bundle, testtype: 'code' }, /cannot be read: .*testtype/s],
    [{ ...bundle, outputs: [] }, /holds 1 inputs and 0 outputs/],
    [{ ...bundle, inputs: [1] }, /test 1 reads or writes what is no text/],
    [{ ...bundle, testtype: 'functional' }, /test 1 calls a function without a name/],
    [{ ...bundle, testtype: 'functional', fn_name: 'f', inputs: [{ a: 1 }] }, /test 1 has arguments by name/],
    [
      { ...bundle, testtype: 'functional', fn_name: 'f', inputs: ['x'] },
      /test 1 has arguments that are no JSON/,
    ],
  ])('says what is wrong with %j', (tests, complaint) => {
    expect(complaintOf(tests)).toMatch(complaint);
  });

  it('takes no row that is graded by other means', () => {
    expect(sdpoRow.safeParse({ ...row(bundle), data_source: 'sciknoweval' }).success).toBe(false);
  });
});
