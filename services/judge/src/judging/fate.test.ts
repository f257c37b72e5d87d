import { describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import type { RunEnding } from '../sandbox/sandbox.js';
import { decideFate, type Evidence } from './fate.js';
import type { Fate, Test } from './submission.js';

const ended: RunEnding = {
  exitCode: 0,
  signal: undefined,
  limit: undefined,
  cpuMs: 1,
  wallMs: 2,
  peakMemoryBytes: 3,
  stdout: Buffer.alloc(0),
  stderr: Buffer.alloc(0),
  report: Buffer.alloc(0),
};
const stdio: Test = { kind: 'stdio', input: '', expected: 'right', hidden: false };
const call: Test = { kind: 'call', name: 'f', argumentsJson: [], expectedJson: '[1]', hidden: false };
const assert: Test = { kind: 'assert', code: 'assert f()', hidden: false };
const raised = {
  type: 'ValueError',
  message: 'no',
  lines: [2, 4],
  checkLines: [],
  stage: 'program',
  assertion: false,
  memory: false,
};

function fateOf(test: Test, ending: Partial<RunEnding>, evidence: Partial<Evidence> = {}): Fate {
  return decideFate({
    test,
    index: 7,
    ending: { ...ended, ...ending },
    language: 'python',
    checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
    token: 'secret',
    preludeLines: 0,
    ...evidence,
  });
}
const report = (value: unknown): Partial<RunEnding> => ({ report: Buffer.from(JSON.stringify(value)) });
const said = (text: string): Partial<RunEnding> => ({ stdout: Buffer.from(text) });

describe('decideFate', () => {
  it('tells what was used, of which test', () => {
    expect(fateOf(stdio, said('right\n'))).toEqual({
      test: 7,
      verdict: Verdict.ACCEPTED,
      cpuMs: 1,
      wallMs: 2,
      peakMemoryBytes: 3,
      exitCode: 0,
      signal: undefined,
      limit: undefined,
      error: undefined,
      output: undefined,
    });
  });

  it.each([
    ['output', Verdict.OUTPUT_LIMIT],
    ['memory', Verdict.MEMORY_LIMIT],
    ['cpu', Verdict.TIME_LIMIT],
    ['wall', Verdict.TIME_LIMIT],
  ] as const)('lets the limit of %s decide before anything the program wrote', (limit, verdict) => {
    expect(fateOf(stdio, { ...said('right'), limit })).toMatchObject({ verdict, limit });
  });

  it('takes a signal, then an exit code, for an error, whatever was written', () => {
    expect(fateOf(stdio, { ...said('right'), exitCode: undefined, signal: 11 })).toMatchObject({
      verdict: Verdict.RUNTIME_ERROR,
      error: { message: 'Killed by SIGSEGV' },
    });
    expect(fateOf(stdio, { ...said('right'), exitCode: undefined, signal: 63 })).toMatchObject({
      error: { message: 'Killed by signal 63' },
    });
    expect(fateOf(stdio, { ...said('right'), exitCode: 3 })).toMatchObject({
      verdict: Verdict.RUNTIME_ERROR,
      error: { message: 'Exited with code 3' },
    });
  });

  it('words an error by what the program reported, only if it ended in one', () => {
    expect(fateOf(stdio, { ...report(raised), exitCode: 1 })).toMatchObject({
      verdict: Verdict.RUNTIME_ERROR,
      error: { type: 'ValueError', message: 'no', lines: [2, 4] },
    });
    expect(fateOf(stdio, { ...report(raised), ...said('right') })).toMatchObject({
      verdict: Verdict.ACCEPTED,
    });
  });

  it('takes MemoryError for the limit', () => {
    expect(fateOf(stdio, { ...report({ ...raised, memory: true }), exitCode: 1 })).toMatchObject({
      verdict: Verdict.MEMORY_LIMIT,
    });
  });

  it('counts lines from the first after the prelude', () => {
    const { error } = fateOf(stdio, { ...report(raised), exitCode: 1 }, { preludeLines: 3 });
    expect(error?.lines).toEqual([1]);
  });

  it('compares what a function returned', () => {
    expect(fateOf(call, report({ result: '[1.0]' })).verdict).toBe(Verdict.ACCEPTED);
    expect(fateOf(call, report({ result: '[2]' }))).toMatchObject({
      verdict: Verdict.WRONG_ANSWER,
      output: '[2]',
    });
    expect(fateOf(call, report({ unspeakable: '<set>' }))).toMatchObject({
      verdict: Verdict.WRONG_ANSWER,
      output: '<set>',
    });
    expect(fateOf(call, said('[1]'))).toMatchObject({
      verdict: Verdict.RUNTIME_ERROR,
      error: { message: 'Exited before the function returned' },
    });
  });

  it('believes a check only by its token', () => {
    expect(fateOf(assert, report({ token: 'secret' })).verdict).toBe(Verdict.ACCEPTED);
    for (const forged of [{ token: 'other' }, { result: 'secret' }, {}]) {
      expect(fateOf(assert, report(forged)).verdict).toBe(Verdict.RUNTIME_ERROR);
    }
  });

  it('takes a failed assertion of the check for a wrong answer, one of the program for an error', () => {
    const failed = { ...raised, type: 'AssertionError', assertion: true, lines: [], checkLines: [1] };
    expect(fateOf(assert, { ...report({ ...failed, stage: 'check' }), exitCode: 1 })).toMatchObject({
      verdict: Verdict.WRONG_ANSWER,
      error: { checkLine: 1 },
    });
    expect(fateOf(assert, { ...report(failed), exitCode: 1 }).verdict).toBe(Verdict.RUNTIME_ERROR);
  });

  it('keeps nothing that a hidden test was answered', () => {
    for (const test of [stdio, call, assert].map((each) => ({ ...each, hidden: true }))) {
      const fate = fateOf(test, { ...report(raised), ...said('a secret'), exitCode: 1 });
      expect(fate).toMatchObject({ verdict: Verdict.RUNTIME_ERROR, error: undefined, output: undefined });
    }
  });

  it('keeps the beginning of a long answer', () => {
    expect(fateOf(stdio, said('ä'.repeat(1_000_000))).output).toBe('ä'.repeat(4000));
  });
});
