import { describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { createLogger, createRegistry } from '@backsight/rpc';
import { SandboxFailure } from '../sandbox/sandbox.js';
import { Judge } from './judge.js';
import { judgeMetrics } from './judge-metrics.js';
import { defaultLimits } from './limits.js';
import { Queue, QueueFull } from './queue.js';
import { printing, quietEnding, type Script, scriptedSandbox } from './scripted-sandbox.js';
import type { Submission } from './submission.js';
import { VerdictCache } from './verdict-cache.js';

const { signal } = new AbortController();
const submission: Submission = {
  language: 'python',
  source: 'print(1)',
  tests: [
    { kind: 'stdio', input: '', expected: '1', hidden: false },
    { kind: 'stdio', input: '', expected: '2', hidden: false },
    { kind: 'stdio', input: '', expected: '1', hidden: false },
  ],
  checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
  limits: defaultLimits,
  stopAtFirstFailure: false,
};

function judgeOver(script: Script, capacity = 1, maxWaiting = 10) {
  const sandbox = scriptedSandbox(script, capacity);
  const queue = new Queue(capacity, maxWaiting);
  const registry = createRegistry('judge');
  const judge = new Judge({
    sandbox,
    queue,
    cache: new VerdictCache(10),
    metrics: judgeMetrics(registry, queue),
    logger: createLogger({ name: 'judge', level: 'silent' }),
  });
  return { judge, sandbox, queue, metrics: () => registry.metrics() };
}
const failing: Script = async function* () {
  yield await Promise.resolve({ kind: 'compiled' });
  throw new SandboxFailure('broke');
};

describe('Judge', () => {
  it('tells the verdict of the first test that is not accepted, and counts', async () => {
    const { judge, metrics } = judgeOver((job) => printing('1', job));
    const { judgement, cached } = await judge.judge(submission, { signal });
    expect(judgement).toMatchObject({ verdict: Verdict.WRONG_ANSWER, passed: 2, total: 3 });
    expect(judgement.fates.map(({ verdict }) => verdict)).toEqual([
      Verdict.ACCEPTED,
      Verdict.WRONG_ANSWER,
      Verdict.ACCEPTED,
    ]);
    expect(cached).toBe(false);
    expect(await metrics()).toContain('judge_verdicts_total{verdict="wrong_answer"');
  });

  it('stops at the first failure where that is asked for', async () => {
    const { judge, sandbox } = judgeOver((job) => printing('1', job));
    const { judgement } = await judge.judge({ ...submission, stopAtFirstFailure: true }, { signal });
    expect(judgement).toMatchObject({ verdict: Verdict.WRONG_ANSWER, passed: 1, total: 3 });
    expect(judgement.fates).toHaveLength(2);
    expect(sandbox.running()).toBe(0);
  });

  it('hands no expected output to the sandbox', async () => {
    const { judge, sandbox } = judgeOver((job) => printing('1', job));
    const expected = 'the expected output';
    await judge.judge(
      {
        ...submission,
        tests: [
          { kind: 'stdio', input: 'in', expected, hidden: false },
          { kind: 'call', name: 'f', argumentsJson: [], expectedJson: `"${expected}"`, hidden: false },
        ],
      },
      { signal },
    );
    expect(JSON.stringify(sandbox.jobs)).not.toContain(expected);
  });

  it('answers an identical submission from what it knows, and runs another', async () => {
    const { judge, sandbox, metrics } = judgeOver((job) => printing('1', job));
    await judge.judge(submission, { signal });
    expect(await judge.judge(submission, { signal })).toMatchObject({ cached: true, runMs: 0 });
    expect(await judge.judge({ ...submission, source: 'print(2)' }, { signal })).toMatchObject({
      cached: false,
    });
    expect(sandbox.jobs).toHaveLength(2);
    expect(await metrics()).toMatch(/judge_cache_hits_total\S* 1/);
  });

  it('runs twins that arrive together once', async () => {
    const { judge, sandbox } = judgeOver((job) => printing('1', job));
    const answers = await Promise.all([1, 2, 3].map(() => judge.judge(submission, { signal })));
    expect(answers.map(({ cached }) => cached)).toEqual([false, true, true]);
    expect(sandbox.jobs).toHaveLength(1);
  });

  it('lets a twin go on with a run whose first caller has gone, and times how fast it kills what nobody wants', async () => {
    let finish = (): void => undefined;
    const { judge, sandbox, queue, metrics } = judgeOver(async function* (job, abort) {
      yield await Promise.resolve({ kind: 'compiled' });
      await new Promise<void>((resolve, reject) => {
        finish = resolve;
        abort.addEventListener('abort', () => {
          reject(abort.reason as Error);
        });
      });
      yield* printing('1', job);
    }, 2);
    const [first, second] = [new AbortController(), new AbortController()];
    const start = async (by: AbortController) => {
      const judged = judge.judge(submission, { signal: by.signal });
      judged.catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return judged;
    };
    const outcomes = [start(first), start(second)];
    await new Promise((resolve) => setTimeout(resolve, 20));
    first.abort();
    await expect(outcomes[0]).rejects.toMatchObject({ name: 'AbortError' });
    expect(sandbox.running()).toBe(1);
    finish();
    expect(await outcomes[1]).toMatchObject({ cached: true });
    const other = judge.judge({ ...submission, source: 'other' }, { signal: second.signal });
    await new Promise((resolve) => setTimeout(resolve, 5));
    second.abort();
    await expect(other).rejects.toMatchObject({ name: 'AbortError' });
    expect([sandbox.running(), queue.waiting]).toEqual([0, 0]);
    expect(await metrics()).toMatch(/judge_kill_seconds_count\S* 1/);
    expect(await metrics()).toMatch(/judge_shared_runs_total\S* 1/);
  });

  it('does not share what the clock on the wall had a part in', async () => {
    const { judge, sandbox } = judgeOver(async function* ({ runs }) {
      yield await Promise.resolve({ kind: 'compiled' });
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (const run of runs.keys())
        yield { kind: 'ran', run, ending: { ...quietEnding, exitCode: undefined, limit: 'wall' } };
    }, 4);
    const answers = await Promise.all([1, 2, 3].map(() => judge.judge(submission, { signal })));
    expect(answers.map(({ cached }) => cached)).toEqual([false, false, false]);
    expect(sandbox.jobs).toHaveLength(3);
  });

  it('gives a sandbox that fails one more try', async () => {
    let tries = 0;
    const { judge, metrics } = judgeOver((job, abort) =>
      ++tries === 1 ? failing(job, abort) : printing('1', job),
    );
    expect(await judge.judge(submission, { signal })).toMatchObject({
      judgement: { verdict: Verdict.WRONG_ANSWER, fates: { length: 3 } },
    });
    expect(await metrics()).toMatch(/judge_sandbox_failures_total\S* 1/);
  });

  it('never makes a verdict of a sandbox that fails again', async () => {
    const { judge, sandbox } = judgeOver(failing);
    await expect(judge.judge(submission, { signal })).rejects.toThrow(new SandboxFailure('broke'));
    expect(sandbox.jobs).toHaveLength(2);
    // Its slot is free again, and nothing was kept.
    await expect(judge.judge(submission, { signal })).rejects.toThrow(SandboxFailure);
  });

  it('tries nothing again for a caller who is gone', async () => {
    const gone = new AbortController();
    const { judge, sandbox, queue } = judgeOver(async function* (_job, abort) {
      yield await Promise.resolve({ kind: 'compiled' });
      await new Promise((_, reject) => {
        abort.addEventListener('abort', () => {
          reject(abort.reason as Error);
        });
      });
    });
    const judged = judge.judge(submission, { signal: gone.signal });
    await new Promise((resolve) => setTimeout(resolve, 10));
    gone.abort();
    await expect(judged).rejects.toMatchObject({ name: 'AbortError' });
    expect(sandbox.jobs).toHaveLength(1);
    expect(sandbox.running()).toBe(0);
    expect(queue.waiting).toBe(0);
  });

  it('turns away what it has no room for before it runs', async () => {
    let finish = (): void => undefined;
    const { judge, sandbox } = judgeOver(
      async function* (job) {
        await new Promise<void>((resolve) => (finish = resolve));
        yield* printing('1', job);
      },
      1,
      0,
    );
    const first = judge.judge(submission, { signal });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(judge.judge({ ...submission, source: 'other' }, { signal })).rejects.toThrow(QueueFull);
    finish();
    await first;
    expect(sandbox.jobs).toHaveLength(1);
  });

  it('tells what does not compile, with lines counted from the first after the prelude', async () => {
    const error = { type: 'SyntaxError', message: 'invalid syntax', lines: [3] };
    const { judge } = judgeOver(async function* () {
      yield await Promise.resolve({ kind: 'compile-error', error });
    });
    const { judgement } = await judge.judge({ ...submission, prelude: 'import os\n' }, { signal });
    expect(judgement).toEqual({
      verdict: Verdict.COMPILE_ERROR,
      fates: [],
      compileError: { ...error, lines: [2] },
      passed: 0,
      total: 3,
    });
  });

  it('executes a program once', async () => {
    const { judge } = judgeOver((job) => printing('out', job));
    const job = {
      language: 'python',
      source: '',
      files: [],
      runs: [{ kind: 'stdio' as const, input: Buffer.alloc(0) }],
    };
    expect(await judge.execute({ ...job, limits: defaultLimits }, { signal })).toEqual({
      kind: 'ran',
      ending: { ...quietEnding, stdout: Buffer.from('out') },
    });
  });
});
