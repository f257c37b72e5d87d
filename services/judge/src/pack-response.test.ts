import { describe, expect, it } from '@jest/globals';
import { CheckerKind, IsolationTier, Verdict } from '@backsight/contract/judge';
import { defaultFeedback } from './feedback.js';
import { defaultLimits } from './judging/limits.js';
import { Queue } from './judging/queue.js';
import type { Submission } from './judging/submission.js';
import { packDescription, packExecution, packJudgement } from './pack-response.js';
import type { RunEnding } from './sandbox/sandbox.js';

const submission: Submission = {
  language: 'python',
  source: 'print(2)',
  tests: [{ kind: 'stdio', input: '', expected: '1', hidden: false }],
  checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
  limits: defaultLimits,
  stopAtFirstFailure: false,
};
const ending: RunEnding = {
  exitCode: 0,
  signal: undefined,
  limit: undefined,
  cpuMs: 1500,
  wallMs: 2.5,
  peakMemoryBytes: 1 << 20,
  stdout: Buffer.from('out'),
  stderr: Buffer.from('err'),
  report: Buffer.alloc(0),
};

describe('packJudgement', () => {
  it('tells the verdict, the fates and the feedback', () => {
    const packed = packJudgement(
      submission,
      {
        judgement: {
          verdict: Verdict.WRONG_ANSWER,
          fates: [
            {
              test: 0,
              verdict: Verdict.WRONG_ANSWER,
              cpuMs: 1500,
              wallMs: 2.5,
              peakMemoryBytes: 7,
              exitCode: 0,
              signal: undefined,
              limit: undefined,
              error: { type: 'E', message: 'm', lines: [1, 3] },
              output: '2',
            },
          ],
          passed: 0,
          total: 1,
        },
        queueMs: 1,
        runMs: 2000,
        cached: true,
      },
      defaultFeedback,
    );
    expect(packed).toEqual({
      verdict: Verdict.WRONG_ANSWER,
      fates: [
        {
          testIndex: 0,
          verdict: Verdict.WRONG_ANSWER,
          resources: {
            cpuTime: { seconds: 1, nanos: 500_000_000 },
            wallTime: { seconds: 0, nanos: 2_500_000 },
            peakMemoryBytes: 7,
          },
          exitCode: 0,
          signal: undefined,
          limit: '',
          error: 'E: m (line 3)',
        },
      ],
      feedback: 'Wrong answer on test 1\nInput:\nOutput: 2\nExpected: 1',
      passed: 0,
      total: 1,
      queueTime: { seconds: 0, nanos: 1_000_000 },
      runTime: { seconds: 2, nanos: 0 },
      cached: true,
    });
  });
});

describe('packExecution', () => {
  it.each([
    [{}, Verdict.ACCEPTED, ''],
    [{ exitCode: 2 }, Verdict.RUNTIME_ERROR, ''],
    [{ exitCode: undefined, signal: 9 }, Verdict.RUNTIME_ERROR, ''],
    [{ exitCode: undefined, limit: 'cpu' }, Verdict.TIME_LIMIT, 'cpu'],
    [{ exitCode: undefined, limit: 'wall' }, Verdict.TIME_LIMIT, 'wall'],
    [{ exitCode: 1, limit: 'memory' }, Verdict.MEMORY_LIMIT, 'memory'],
    [{ exitCode: 0, limit: 'output' }, Verdict.OUTPUT_LIMIT, 'output'],
  ] as const)('tells how a program ended: %j', (how, verdict, limit) => {
    const packed = packExecution({ kind: 'ran', ending: { ...ending, ...how } });
    expect(packed).toMatchObject({ verdict, limit, stdout: Buffer.from('out'), stderr: Buffer.from('err') });
  });

  it('tells why a program does not compile', () => {
    const error = { type: 'SyntaxError', message: 'invalid syntax', lines: [2] };
    expect(packExecution({ kind: 'compile-error', error })).toMatchObject({
      verdict: Verdict.COMPILE_ERROR,
      stderr: Buffer.from('SyntaxError: invalid syntax (line 2)\n'),
    });
  });
});

describe('packDescription', () => {
  it('tells what can be run, how well it is kept apart, and how many wait', async () => {
    const queue = new Queue(1, 5);
    const { signal } = new AbortController();
    await queue.enter({ signal });
    void queue.enter({ signal });
    const described = packDescription(
      {
        name: 'zygote',
        tier: IsolationTier.NAMESPACES,
        languages: [{ name: 'python', version: '3.11.2', runs: ['stdio'] }],
        capacity: 1,
        execute: () => {
          throw new Error('runs nothing');
        },
        close: () => Promise.resolve(),
      },
      queue,
    );
    expect(described).toMatchObject({
      languages: [{ name: 'python', version: '3.11.2' }],
      isolation: IsolationTier.NAMESPACES,
      sandbox: 'zygote',
      defaultLimits: { cpuTime: { seconds: 2, nanos: 0 }, memoryBytes: 256 << 20 },
      maxLimits: { memoryBytes: 4096 * (1 << 20), processes: 256 },
      capacity: 1,
      queued: 1,
      maxQueued: 5,
    });
  });
});
