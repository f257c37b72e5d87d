import { describe, expect, it } from '@jest/globals';
import {
  CheckerKind,
  ExecuteRequest,
  FeedbackSelection,
  JudgeRequest,
  type Test,
} from '@backsight/contract/judge';
import { readFailure } from '@backsight/rpc';
import { defaultLimits } from './judging/limits.js';
import { unpackExecute, unpackJudge } from './unpack-request.js';

const languages = [
  { name: 'python', version: '3', runs: ['stdio', 'call', 'check', 'dialogue'] },
  { name: 'cpp', version: '12', runs: ['stdio'] },
] as const;
const program = { language: 'python', source: 'print(1)' };
const stdio: Test = {
  kind: { $case: 'stdio', value: { input: 'i', expectedOutput: 'o' } },
  hidden: true,
};
const judge = (request: Parameters<typeof JudgeRequest.fromPartial>[0]) =>
  unpackJudge(JudgeRequest.fromPartial({ program, tests: [stdio], ...request }), languages);
const execute = (request: Parameters<typeof ExecuteRequest.fromPartial>[0]) =>
  unpackExecute(ExecuteRequest.fromPartial({ program, ...request }), languages);

/** The fields that a request is refused for. */
function refusedFor(unpack: () => unknown): readonly string[] {
  try {
    unpack();
  } catch (error) {
    const failure = readFailure(error);
    expect(failure?.code).toBe('INVALID_ARGUMENT');
    return failure?.violations?.map(({ field, description }) => `${field} ${description}`) ?? [];
  }
  throw new Error('the request was taken');
}

describe('unpackJudge', () => {
  it('fills in every default', () => {
    expect(judge({})).toEqual({
      submission: {
        language: 'python',
        source: 'print(1)',
        tests: [{ kind: 'stdio', input: 'i', expected: 'o', hidden: true }],
        checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
        limits: defaultLimits,
        stopAtFirstFailure: false,
      },
      feedback: { maxWrongAnswers: 2, selection: 'shortest', seed: 0, maxCharacters: 2000 },
      queueBudgetMs: undefined,
    });
  });

  it('takes what is said', () => {
    const asked = judge({
      tests: [
        { kind: { $case: 'call', value: { function: 'f', argumentsJson: ['1'], expectedJson: '2' } } },
        { kind: { $case: 'assert', value: { code: 'assert f(1)' } } },
      ],
      checker: { kind: CheckerKind.FLOATS, absoluteTolerance: 1e-6, relativeTolerance: 1e-9 },
      limits: {
        cpuTime: { seconds: 1, nanos: 500_000_000 },
        memoryBytes: 1 << 26,
        outputBytes: 9,
        processes: 4,
      },
      queueBudget: { seconds: 0, nanos: 250_000_000 },
      stopAtFirstFailure: true,
      feedback: { maxWrongAnswers: 0, selection: FeedbackSelection.RANDOM, seed: 9, maxCharacters: 0 },
    });
    expect(asked).toEqual({
      submission: {
        ...program,
        tests: [
          { kind: 'call', name: 'f', argumentsJson: ['1'], expectedJson: '2', hidden: false },
          { kind: 'assert', code: 'assert f(1)', hidden: false },
        ],
        checker: { kind: CheckerKind.FLOATS, absoluteTolerance: 1e-6, relativeTolerance: 1e-9 },
        limits: { cpuMs: 1500, wallMs: 6500, memoryBytes: 1 << 26, outputBytes: 9, processes: 4 },
        stopAtFirstFailure: true,
      },
      feedback: { maxWrongAnswers: 0, selection: 'random', seed: 9, maxCharacters: 0 },
      queueBudgetMs: 250,
    });
  });

  it('says everything that is wrong, field by field', () => {
    const bad = JudgeRequest.fromPartial({
      program: { language: 'cobol', source: '' },
      tests: [
        {},
        { kind: { $case: 'call', value: { function: '', argumentsJson: ['1', '00'], expectedJson: '' } } },
      ],
      checker: { absoluteTolerance: -1, relativeTolerance: NaN },
      limits: { cpuTime: { seconds: 3600 }, wallTime: { nanos: 1 }, memoryBytes: 1, processes: 10_000 },
      queueBudget: { seconds: -1 },
    });
    const said = refusedFor(() => unpackJudge(bad, languages));
    expect(said.map((line) => line.split(' ')[0])).toEqual([
      'program.language',
      'tests[0]',
      'tests[1].call.function',
      'tests[1].call.arguments_json[1]',
      'tests[1].call.expected_json',
      'checker.absolute_tolerance',
      'checker.relative_tolerance',
      'limits.cpu_time',
      'limits.wall_time',
      'limits.memory_bytes',
      'limits.processes',
      'queue_budget',
    ]);
    expect(said[0]).toBe('program.language must be one of python, cpp, is "cobol"');
  });

  it('says of a language that it could have what that takes', () => {
    const request = JudgeRequest.fromPartial({ program: { language: 'java', source: '' }, tests: [stdio] });
    expect(refusedFor(() => unpackJudge(request, languages))).toEqual([
      'program.language must be one of python, cpp, is "java", which this judge was started without: its README says what that language takes',
    ]);
  });

  it('refuses tests that a language does not take', () => {
    const request = JudgeRequest.fromPartial({
      program: { language: 'cpp', source: '' },
      tests: [stdio, { kind: { $case: 'assert', value: { code: 'x' } } }],
    });
    expect(refusedFor(() => unpackJudge(request, languages))).toEqual([
      'tests[1] is of kind assert, which programs in cpp are not put to: stdio tests are',
    ]);
  });

  const interactive: Test = {
    kind: { $case: 'interactive', value: { input: 'secret', expectedOutput: '' } },
    hidden: false,
  };
  const ruling = { language: 'python', source: 'exit(0)' };

  it('takes a checker or an interactor that comes along', () => {
    const checker = { kind: CheckerKind.PROGRAM, program: ruling };
    expect(judge({ checker }).submission).toMatchObject({
      checker: { kind: CheckerKind.PROGRAM, program: ruling },
    });
    expect(judge({ tests: [interactive], interactor: ruling }).submission).toMatchObject({
      interactor: ruling,
      tests: [{ kind: 'interactive', input: 'secret', expected: '', hidden: false }],
    });
  });

  it.each<[Parameters<typeof JudgeRequest.fromPartial>[0], RegExp]>([
    [{ checker: { kind: CheckerKind.PROGRAM } }, /^checker\.program must be set for/],
    [{ checker: { kind: CheckerKind.EXACT, program: ruling } }, /^checker\.program must not be set/],
    [
      { checker: { kind: CheckerKind.PROGRAM, program: { ...ruling, language: 'ada' } } },
      /^checker must be in one of python, cpp, is in "ada"/,
    ],
    [
      {
        checker: { kind: CheckerKind.PROGRAM, program: ruling },
        tests: [{ kind: { $case: 'assert', value: {} } }],
      },
      /^tests\[0\] is of kind assert, which a checker cannot rule on/,
    ],
    [{ tests: [interactive] }, /^tests\[0\] is interactive, but there is no interactor/],
    [{ interactor: ruling }, /^tests\[0\] is of kind stdio, which an interactor cannot rule on/],
    [
      { tests: [interactive], interactor: { ...ruling, language: 'cpp' } },
      /^interactor must be in one of python, is in "cpp"/,
    ],
    [
      { tests: [interactive], interactor: ruling, program: { language: 'cpp', source: '' } },
      /^tests\[0\] is of kind interactive, which programs in cpp are not put to/,
    ],
    [
      { tests: [interactive], interactor: ruling, checker: { kind: CheckerKind.PROGRAM, program: ruling } },
      /^checker is of no use beside an interactor/,
    ],
    [
      {
        checker: { kind: CheckerKind.PROGRAM, program: ruling },
        tests: [{ kind: { $case: 'stdio', value: { input: 'x'.repeat(7 << 20) } } }],
      },
      /^tests\[0\] holds 7340032 bytes, more than the 6291456/,
    ],
  ])('refuses programs of the task that cannot rule (%#)', (request, problem) => {
    expect(refusedFor(() => judge(request))).toEqual([expect.stringMatching(problem)]);
  });

  it('wants a program and a test', () => {
    const fields = refusedFor(() => unpackJudge(JudgeRequest.fromPartial({}), languages));
    expect(fields).toEqual(['program must be set', 'tests must hold at least one test']);
  });
});

describe('unpackExecute', () => {
  it('makes a job of one run', () => {
    const files = [{ path: 'data/in.txt', content: Buffer.from('x') }];
    expect(execute({ stdin: Buffer.from('in'), files })).toEqual({
      ...program,
      files,
      runs: [{ kind: 'stdio', input: Buffer.from('in') }],
      limits: defaultLimits,
    });
  });

  it.each(['', '/etc/passwd', '../x', 'a/../b', 'a//b', './a', 'a/', 'a\0b', 'a'.repeat(201)])(
    'refuses a file at %j',
    (path) => {
      const fields = refusedFor(() => execute({ files: [{ path: 'fine' }, { path }] }));
      expect(fields).toEqual([expect.stringMatching(/^files\[1\]\.path must be a relative path/)]);
    },
  );

  it('refuses two files at one path, and a file where another has its folder', () => {
    expect(refusedFor(() => execute({ files: [{ path: 'a' }, { path: 'a' }] }))).toEqual([
      'files[1].path is that of files[0] too',
    ]);
    expect(refusedFor(() => execute({ files: [{ path: 'a/b' }, { path: 'a' }] }))).toEqual([
      'files[1].path is a folder of files[0]',
    ]);
    expect(refusedFor(() => execute({ files: [{ path: 'a' }, { path: 'a/b' }] }))).toEqual([
      'files[0].path is a folder of files[1]',
    ]);
  });

  it('refuses more bytes than a working folder holds with ease', () => {
    const files = ['a', 'b'].map((path) => ({ path, content: Buffer.alloc((4 << 20) + 1) }));
    expect(refusedFor(() => execute({ files }))).toEqual(['files must hold at most 8388608 bytes together']);
  });

  it('refuses too many files', () => {
    const files = Array.from({ length: 101 }, (_, index) => ({ path: `f${index}` }));
    expect(refusedFor(() => execute({ files }))).toEqual(['files must hold at most 100 files']);
  });
});
