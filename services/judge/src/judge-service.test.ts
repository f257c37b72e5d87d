import { afterEach, describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import {
  CheckerKind,
  type JudgeBatchRequest,
  JudgeServiceDefinition,
  type JudgeRequest,
  Verdict,
} from '@backsight/contract/judge';
import { environmentService, playEpisode } from '@backsight/environment';
import { connect, createLogger, createRegistry, Metadata, readFailure, service } from '@backsight/rpc';
import { startLoopback } from '@backsight/testing';
import '@backsight/testing/matchers';
import { codingEnvironment } from './coding/coding-environment.js';
import { defaultChecker } from './coding/own-row.js';
import { withStatuses } from './judge-failure.js';
import { judgeService } from './judge-service.js';
import { Judge } from './judging/judge.js';
import { judgeMetrics } from './judging/judge-metrics.js';
import { Queue } from './judging/queue.js';
import { printing, type Script, scriptedSandbox } from './judging/scripted-sandbox.js';
import { VerdictCache } from './judging/verdict-cache.js';
import { SandboxFailure } from './sandbox/sandbox.js';

const logger = createLogger({ name: 'judge', level: 'silent' });
let cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanUp.reverse()) await step();
  cleanUp = [];
});

/** Both services over a scripted sandbox, and clients that try nothing again. */
async function serveScript(script: Script, { capacity = 1, maxWaiting = 10 } = {}) {
  const sandbox = scriptedSandbox(script, capacity);
  const queue = new Queue(capacity, maxWaiting);
  const metrics = judgeMetrics(createRegistry('judge'), queue);
  const judge = new Judge({ sandbox, queue, cache: new VerdictCache(0), metrics, logger });
  const task = {
    id: 'a',
    split: 'train',
    title: '',
    messages: [{ role: 'user', content: 'Go.' }],
    language: 'python',
    answerFormat: 'plain',
    prelude: '',
    tests: [{ kind: 'stdio', input: '', expected: '1', hidden: false }],
    rewardTests: 'public',
    checker: defaultChecker,
    limits: {},
  } as const;
  const environment = codingEnvironment({
    tasks: [task],
    judge: withStatuses(judge),
    feedback: { maxWrongAnswers: 2, selection: 'shortest', maxCharacters: 2000 },
    maxTurns: 1,
    capacity: 100,
  });
  const server = await startLoopback([
    service(JudgeServiceDefinition, judgeService(judge)),
    service(EnvironmentServiceDefinition, environmentService(environment, { logger })),
  ]);
  const judging = connect(JudgeServiceDefinition, server.address, { retry: false });
  const playing = connect(EnvironmentServiceDefinition, server.address, { retry: false });
  cleanUp.push(
    () => server.shutdown(100),
    () => {
      judging.close();
      playing.close();
    },
  );
  return { client: judging.client, player: playing.client, sandbox, queue };
}

const request = (source: string) =>
  ({
    program: { language: 'python', source },
    tests: [{ kind: { $case: 'stdio', value: { input: '', expectedOutput: '1' } } }],
  }) satisfies Parameters<typeof JudgeRequest.fromPartial>[0];
const until = async (condition: () => boolean): Promise<void> => {
  for (let left = 400; !condition(); left--) {
    if (left === 0) throw new Error('it never came to that');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
/** Runs until the caller goes away. */
const endless: Script = async function* (_job, signal) {
  yield await Promise.resolve({ kind: 'compiled' });
  await new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
};
const failing: Script = async function* () {
  yield await Promise.resolve({ kind: 'compiled' });
  throw new SandboxFailure('broke');
};

describe('judgeService', () => {
  it('judges over the wire', async () => {
    const { client } = await serveScript((job) => printing('1', job));
    expect(await client.judge(request('x'))).toMatchObject({
      verdict: Verdict.ACCEPTED,
      fates: [{ testIndex: 0, verdict: Verdict.ACCEPTED }],
      feedback: '',
      passed: 1,
      total: 1,
    });
  });

  it('calls a broken checker by its name, and gives no verdict', async () => {
    const { client } = await serveScript((job) =>
      job.source === 'checker' ? printing('', job, 5) : printing('1', job),
    );
    const checker = {
      kind: CheckerKind.PROGRAM,
      program: { language: 'python', source: 'checker' },
    };
    const failure = readFailure(
      await client.judge({ ...request('x'), checker }).catch((error: unknown) => error),
    );
    expect(failure).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('The checker exited with code 5'),
    });
  });

  it('refuses what can never be right, field by field', async () => {
    const { client } = await serveScript(endless);
    await expect(client.judge({ program: { language: 'cobol' } })).toFailWith({
      code: 'INVALID_ARGUMENT',
      violations: [
        { field: 'program.language', description: 'must be one of python, is "cobol"' },
        { field: 'tests', description: 'must hold at least one test' },
      ],
    });
  });

  it('says it is full, and when to come again', async () => {
    const { client, player, queue } = await serveScript(endless, { maxWaiting: 1 });
    const gone = new AbortController();
    const held = [1, 2].map((id) =>
      client.judge(request(`${id}`), { signal: gone.signal }).catch(() => undefined),
    );
    await until(() => queue.waiting === 1);
    const full = {
      code: 'RESOURCE_EXHAUSTED',
      message: '1 submissions run and 1 wait already',
      retryAfterMs: 500,
    } as const;
    await expect(client.judge(request('3'))).toFailWith(full);
    await expect(client.execute({ program: request('3').program })).toFailWith(full);
    const play = playEpisode(player, { taskId: 'a', seed: 0 }, () => ({ text: '3', truncated: false }));
    await expect(play).toFailWith(full);
    gone.abort();
    await Promise.all(held);
  });

  it('ends a wait that outlasts its budget, not the run', async () => {
    const { client, sandbox } = await serveScript(endless);
    const gone = new AbortController();
    const held = client.judge(request('1'), { signal: gone.signal }).catch(() => undefined);
    await until(() => sandbox.running() === 1);
    await expect(
      client.judge({ ...request('2'), queueBudget: { seconds: 0, nanos: 20_000_000 } }),
    ).toFailWith({ code: 'DEADLINE_EXCEEDED', message: 'no place came free within 20 ms' });
    expect(sandbox.running()).toBe(1);
    gone.abort();
    await held;
  });

  it('serves a caller that asks for little while another waits for much', async () => {
    const finish: (() => void)[] = [];
    const { client, queue, sandbox } = await serveScript(async function* (job) {
      await new Promise<void>((resolve) => finish.push(resolve));
      yield* printing('1', job);
    });
    const from = (caller: string) => ({ metadata: Metadata({ 'x-caller': caller }) });
    const greedy = ['a', 'b', 'c'].map((source) => client.judge(request(source), from('greedy')));
    await until(() => queue.waiting === 2);
    const modest = client.judge(request('d'), from('modest'));
    await until(() => queue.waiting === 3);
    for (let done = 0; done < 4; done++) {
      await until(() => finish.length > done);
      finish[done]?.();
    }
    await Promise.all([...greedy, modest]);
    const [first, second] = sandbox.jobs.map(({ source }) => source);
    expect([['a', 'b', 'c'].includes(first ?? ''), second]).toEqual([true, 'd']);
  });

  it('is fair between runs that play over the same connection', async () => {
    const finish: (() => void)[] = [];
    const { player, queue, sandbox } = await serveScript(async function* (job) {
      await new Promise<void>((resolve) => finish.push(resolve));
      yield* printing('1', job);
    });
    const play = (caller: string, text: string) =>
      playEpisode(player, { taskId: 'a', seed: 1 }, () => Promise.resolve({ text, truncated: false }), {
        metadata: Metadata({ 'x-caller': caller }),
      });
    const greedy = ['a', 'b', 'c'].map((text) => play('greedy-run', text));
    await until(() => queue.waiting === 2);
    const modest = play('modest-run', 'd');
    await until(() => queue.waiting === 3);
    for (let done = 0; done < 4; done++) {
      await until(() => finish.length > done);
      finish[done]?.();
    }
    await Promise.all([...greedy, modest]);
    expect(sandbox.jobs.map(({ source }) => source).indexOf('d')).toBe(1);
  });

  it('runs twins, and a call that is repeated under its idempotency key, once', async () => {
    const finish = new Map<string, () => void>();
    const { client, sandbox } = await serveScript(
      async function* (job) {
        await new Promise<void>((resolve) => finish.set(job.source, resolve));
        yield* printing('1', job);
      },
      { capacity: 3 },
    );
    const twins = [1, 2].map(() => client.judge(request('twin')));
    const execute = (source: string, key: string) =>
      client.execute(
        { program: request(source).program },
        { metadata: Metadata({ 'idempotency-key': key }) },
      );
    // The same call, another one under the same key, and, for they may end otherwise, the same program under another.
    const calls = [execute('x', '1'), execute('x', '1'), execute('y', '1')];
    await until(() => sandbox.running() === 3);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sandbox.jobs.map(({ source }) => source).sort()).toEqual(['twin', 'x', 'y']);
    for (const end of finish.values()) end();
    expect((await Promise.all(twins)).map(({ cached }) => cached).sort()).toEqual([false, true]);
    const [one, same] = await Promise.all(calls);
    expect(same).toEqual(one);
    const later = execute('x', '2');
    await until(() => sandbox.jobs.length === 4);
    finish.get('x')?.();
    await later;
  });

  it('stops what runs when the deadline has passed, or the caller is gone', async () => {
    const { client, sandbox } = await serveScript(endless);
    await expect(client.judge(request('1'), { deadlineMs: 100 })).toFailWith({ code: 'DEADLINE_EXCEEDED' });
    await until(() => sandbox.running() === 0);
    const gone = new AbortController();
    const judged = client.judge(request('2'), { signal: gone.signal });
    await until(() => sandbox.running() === 1);
    gone.abort();
    await expect(judged).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => sandbox.running() === 0);
    expect(sandbox.jobs).toHaveLength(2);
  });

  it('makes of a sandbox that fails a failure, never a verdict or a reward', async () => {
    const { client, player } = await serveScript(failing);
    const away = {
      code: 'UNAVAILABLE',
      message: 'the sandbox failed twice: broke',
      retryAfterMs: 500,
    } as const;
    await expect(client.judge(request('1'))).toFailWith(away);
    await expect(client.execute({ program: request('1').program })).toFailWith(away);
    const play = playEpisode(player, { taskId: 'a', seed: 0 }, () => ({ text: '1', truncated: false }));
    await expect(play).toFailWith(away);
  });

  it('tells nobody what a bug of its own says', async () => {
    const { client } = await serveScript(() => {
      throw new TypeError('a secret of the judge');
    });
    const error: unknown = await client.judge(request('1')).catch((thrown: unknown) => thrown);
    expect(readFailure(error)).toMatchObject({ code: 'INTERNAL' });
    expect(String(error)).not.toContain('secret');
  });

  it('executes a program', async () => {
    const { client, sandbox } = await serveScript((job) => printing('out', job));
    const program = request('1').program;
    const files = [{ path: 'a.txt', content: Buffer.from('A') }];
    expect(await client.execute({ program, stdin: Buffer.from('in'), files })).toMatchObject({
      verdict: Verdict.ACCEPTED,
      stdout: Buffer.from('out'),
      exitCode: 0,
    });
    expect(sandbox.jobs).toMatchObject([{ runs: [{ kind: 'stdio', input: Buffer.from('in') }], files }]);
  });

  it('describes itself', async () => {
    const { client } = await serveScript(endless, { capacity: 3, maxWaiting: 7 });
    expect(await client.describe({})).toMatchObject({
      sandbox: 'scripted',
      capacity: 3,
      queued: 0,
      maxQueued: 7,
    });
  });
});

describe('judgeBatch', () => {
  async function* batch(
    ...submissions: readonly { submissionId: string; request?: JudgeRequest }[]
  ): AsyncGenerator<JudgeBatchRequest> {
    for (const submission of submissions) yield await Promise.resolve({ request: undefined, ...submission });
  }
  const entry = (submissionId: string, source = submissionId) => ({
    submissionId,
    request: request(source) as unknown as JudgeRequest,
  });
  async function answers(
    client: Awaited<ReturnType<typeof serveScript>>['client'],
    requests: AsyncIterable<JudgeBatchRequest>,
  ) {
    const found: Record<string, unknown> = {};
    for await (const { submissionId, result } of client.judgeBatch(requests)) {
      found[submissionId] = result?.$case === 'response' ? result.value.verdict : result?.value;
    }
    return found;
  }

  it('answers every submission, the quick before the slow', async () => {
    const { client } = await serveScript(
      async function* (job) {
        await new Promise((resolve) => setTimeout(resolve, Number(job.source)));
        yield* printing('1', job);
      },
      { capacity: 3 },
    );
    const found = await answers(client, batch(entry('80'), entry('1'), entry('40')));
    expect(Object.values(found)).toEqual([Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.ACCEPTED]);
    // Integer-like keys are ordered by value, so ask for the order itself.
    const order: string[] = [];
    for await (const { submissionId } of client.judgeBatch(batch(entry('b', '80'), entry('a', '1'))))
      order.push(submissionId);
    expect(order).toEqual(['a', 'b']);
  });

  it("makes one submission's failure its own answer", async () => {
    const { client } = await serveScript((job, signal) =>
      job.source === 'bad' ? failing(job, signal) : printing('1', job),
    );
    const found = await answers(
      client,
      batch(
        entry('good'),
        entry('bad'),
        { submissionId: 'none' },
        {
          submissionId: 'wrong',
          request: { ...entry('x').request, program: { language: 'cobol', source: '' } },
        },
      ),
    );
    expect(found).toMatchObject({
      good: Verdict.ACCEPTED,
      bad: { code: 14, message: expect.stringContaining('failed twice'), retryable: true },
      none: { code: 3, retryable: false },
      wrong: { code: 3, message: expect.stringContaining('program.language'), retryable: false },
    });
  });

  it('refuses a stream whose ids do not tell submissions apart', async () => {
    const { client, sandbox } = await serveScript(endless);
    await expect(answers(client, batch(entry('a'), entry('a')))).toFailWith({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'submission_id', description: '"a" came twice' }],
    });
    await expect(answers(client, batch(entry('')))).toFailWith({ code: 'INVALID_ARGUMENT' });
    await until(() => sandbox.running() === 0);
  });

  it('stops everything when the caller drops the stream', async () => {
    const { client, sandbox } = await serveScript(endless, { capacity: 2 });
    const gone = new AbortController();
    const reading = (async () => {
      for await (const _ of client.judgeBatch(batch(entry('a'), entry('b'), entry('c')), {
        signal: gone.signal,
      }));
    })();
    await until(() => sandbox.running() === 2);
    gone.abort();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => sandbox.running() === 0);
    expect(sandbox.jobs).toHaveLength(2);
  });
});
