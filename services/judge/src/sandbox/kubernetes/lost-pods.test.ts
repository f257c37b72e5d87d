import { describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { createLogger, createRegistry } from '@backsight/rpc';
import { judgeMetrics } from '../../judging/judge-metrics.js';
import { Judge } from '../../judging/judge.js';
import { Queue } from '../../judging/queue.js';
import type { Judgement } from '../../judging/submission.js';
import { VerdictCache } from '../../judging/verdict-cache.js';
import { trialLimits } from '../../trials/trial.js';
import { type Sandbox, SandboxFailure } from '../sandbox.js';
import type { FakeCluster } from './fake-cluster/fake-cluster.js';
import { judge, never, oneClusterPerTest, printing, pulling } from './fake-cluster/on-fake-cluster.js';

const { open, startCluster } = oneClusterPerTest();

/** A submission that runs for long, and the pod that it runs in. */
async function sleeper(
  on: FakeCluster,
  open: Sandbox,
): Promise<{ readonly pod: string; readonly judgement: Promise<Judgement> }> {
  const judgement = judge(open, 'import time\nprint(1, flush=True)\ntime.sleep(60)', [printing('1')], {
    wallMs: 60_000,
  });
  judgement.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { pod: on.pods.names[0] ?? '', judgement };
}

describe('a Kubernetes sandbox whose pod is lost', () => {
  it.each<[string, (on: FakeCluster, pod: string) => Promise<void> | void, RegExp]>([
    ['evicted', (on, pod) => on.evict(pod), /Evicted: The node was low on resource: memory/],
    ['deleted', (on, pod) => on.deletePod(pod), /the pod was deleted/],
    [
      'cut off',
      (on, pod) => {
        on.cut(pod);
      },
      /the connection to it was cut/,
    ],
  ])('says so when it is %s, with no verdict, and goes on in another pod', async (_how, lose, words) => {
    const on = await startCluster();
    const opened = await open(on);
    const { pod, judgement } = await sleeper(on, opened);
    await lose(on, pod);
    await expect(judgement).rejects.toThrow(SandboxFailure);
    await expect(judgement).rejects.toThrow(words);
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(on.pods.names).toHaveLength(1);
    expect(on.pods.names).not.toContain(pod);
  });

  it('runs the submission again elsewhere, without its caller noticing', async () => {
    const on = await startCluster();
    const opened = await open(on, { slots: 2 });
    const registry = createRegistry('judge');
    const queue = new Queue(2, 10);
    const full = new Judge({
      sandbox: opened,
      queue,
      cache: new VerdictCache(10),
      metrics: judgeMetrics(registry, queue),
      logger: createLogger({ name: 'judge', level: 'silent' }),
    });
    const answer = full.judge(
      {
        language: 'python',
        source: 'import time\ntime.sleep(2)\nprint(1)',
        tests: [printing('1')],
        checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
        limits: { ...trialLimits, wallMs: 10_000 },
        stopAtFirstFailure: false,
      },
      { signal: never },
    );
    while (on.busy.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await on.evict(on.busy[0] ?? '');
    expect(await answer).toMatchObject({ judgement: { verdict: Verdict.ACCEPTED } });
    expect(await registry.metrics()).toMatch(/judge_sandbox_failures_total(?:\{.*\})? 1\n/);
  });

  it('takes the kernel’s word that a program used up the pod’s memory, and runs the next test elsewhere', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const source = 'import time\nn = input()\nprint(n)\nif n == "2": time.sleep(60)';
    const tests = ['1', '2', '3'].map((n) => printing(n, n));
    let killed = false;
    const killing: Sandbox = {
      ...opened,
      async *execute(job, signal) {
        for await (const event of opened.execute(job, signal)) {
          yield event;
          if (event.kind === 'ran' && !killed) void on.killForMemory(on.pods.names[0] ?? '');
          killed ||= event.kind === 'ran';
        }
      },
    };
    expect(await judge(killing, source, tests, { wallMs: 60_000 })).toMatchObject({
      verdict: Verdict.MEMORY_LIMIT,
      fates: [
        { verdict: Verdict.ACCEPTED },
        { verdict: Verdict.MEMORY_LIMIT, limit: 'memory' },
        { verdict: Verdict.ACCEPTED },
      ],
    });
  });

  it('replaces one that is lost while nothing runs', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const [idle = ''] = on.pods.names;
    await on.evict(idle);
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(on.pods.names).not.toContain(idle);
  });

  it('fails the submission when no other pod can be had, and is well again when one can', async () => {
    const on = await startCluster();
    const opened = await open(on);
    on.fate = () => pulling;
    await on.evict(on.pods.names[0] ?? '');
    const judgement = judge(opened, 'print(1)', [printing('1')]);
    await expect(judgement).rejects.toThrow(SandboxFailure);
    await expect(judgement).rejects.toThrow(/ImagePullBackOff/);
    on.fate = () => undefined;
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
  });
});
