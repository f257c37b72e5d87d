import { afterEach, describe, expect, it } from '@jest/globals';
import { CheckerKind, IsolationTier, Verdict } from '@backsight/contract/judge';
import { createLogger, createRegistry } from '@backsight/rpc';
import { Judge } from '../../judging/judge.js';
import { judgeMetrics } from '../../judging/judge-metrics.js';
import { Queue } from '../../judging/queue.js';
import { VerdictCache } from '../../judging/verdict-cache.js';
import { judgeSubmission } from '../../judging/judge-submission.js';
import type { Judgement, Test } from '../../judging/submission.js';
import { trialLimits } from '../../trials/trial.js';
import { alive, descendants, slotPids } from '../leftovers.js';
import { NoSandbox, type RunLimits, type Sandbox, SandboxFailure } from '../sandbox.js';
import {
  FakeCluster,
  type FakeClusterOptions,
  fakeNamespace,
  type Misfortune,
} from './fake-cluster/fake-cluster.js';
import type { SecurityLevel } from './fake-cluster/admission.js';
import type { PodStatus } from './fake-cluster/pod-store.js';
import { testRunner } from './kubernetes-candidate.js';
import { type KubernetesSandboxOptions, openKubernetesSandbox } from './kubernetes-sandbox.js';
import { instanceLabel, type NodeProfiles } from './runner-pod.js';

const never = new AbortController().signal;

let cluster: FakeCluster | undefined;
let sandbox: Sandbox | undefined;
const complaints: string[] = [];
afterEach(async () => {
  const below = descendants(process.pid);
  await sandbox?.close();
  expect(cluster?.pods.names ?? []).toEqual([]);
  await cluster?.stop();
  expect(alive(below)).toEqual([]);
  sandbox = cluster = undefined;
  complaints.length = 0;
});

const pulling: PodStatus = {
  phase: 'Pending',
  containerStatuses: [
    {
      name: 'runner',
      state: {
        waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "backsight/judge:local"' },
      },
    },
  ],
};

async function startCluster(options?: FakeClusterOptions): Promise<FakeCluster> {
  return (cluster = await FakeCluster.start(options));
}

async function open(on: FakeCluster, options?: Partial<KubernetesSandboxOptions>): Promise<Sandbox> {
  return (sandbox = await openOn(on, options));
}

function openOn(
  { access }: Pick<FakeCluster, 'access'>,
  options: Partial<KubernetesSandboxOptions> = {},
): Promise<Sandbox> {
  return openKubernetesSandbox({
    access,
    namespace: fakeNamespace,
    owner: { instance: 'judge-0', incarnation: 'second' },
    runner: testRunner,
    slots: 1,
    submissionsPerPod: 1000,
    startMs: 10_000,
    languages: ['python'],
    onComplaint: (line) => complaints.push(line),
    ...options,
  });
}

const printing = (expected: string, input = ''): Test => ({ kind: 'stdio', input, expected, hidden: false });

function judge(
  on: Sandbox,
  source: string,
  tests: readonly Test[],
  limits: Partial<RunLimits> = {},
  signal = never,
): Promise<Judgement> {
  return judgeSubmission(
    on,
    {
      language: 'python',
      source,
      tests,
      checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
      limits: { ...trialLimits, ...limits },
      stopAtFirstFailure: false,
    },
    signal,
  );
}

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

describe('openKubernetesSandbox', () => {
  it.each([['v5.channel.k8s.io'], ['v4.channel.k8s.io']])(
    'runs programs in pods, over %s',
    async (protocol) => {
      const opened = await open(await startCluster({ protocols: [protocol] }), { slots: 2 });
      expect(opened).toMatchObject({ name: 'kubernetes', tier: IsolationTier.CONTAINER, capacity: 2 });
      const judgements = await Promise.all(
        ['a', 'b'].map((input) => judge(opened, 'print(input() * 3)', [printing(input.repeat(3), input)])),
      );
      expect(judgements.map(({ verdict }) => verdict)).toEqual([Verdict.ACCEPTED, Verdict.ACCEPTED]);
      expect(cluster?.pods.names).toHaveLength(2);
    },
  );

  it.each<[string, SecurityLevel, NodeProfiles]>([
    ['any profile', 'privileged', { seccomp: undefined, appArmor: undefined }],
    ['exceptions, by profiles on its nodes', 'restricted', { seccomp: 'judge.json', appArmor: 'judge' }],
  ])('runs programs in pods with user namespaces, without %s', async (_what, level, profiles) => {
    const on = await startCluster({ level });
    const opened = await open(on, { runner: { ...testRunner, runtimeClass: undefined, profiles } });
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(on.pods.get(on.pods.names[0] ?? '')?.spec).toMatchObject({ hostUsers: false });
  });

  it('is refused where exceptions to the restricted standard are', async () => {
    const on = await startCluster({ level: 'restricted' });
    await expect(open(on, { runner: { ...testRunner, runtimeClass: undefined } })).rejects.toThrow(
      /violates PodSecurity: seccompProfile, procMount, forbidden AppArmor profile/,
    );
  });

  it('carries megabytes in and out, whole', async () => {
    const opened = await open(await startCluster());
    const input = Array.from({ length: 200_000 }, (_, index) => `${index}`).join('\n');
    const judgement = await judge(opened, 'import sys\nsys.stdout.write(sys.stdin.read())', [
      printing(input, input),
    ]);
    expect(judgement.verdict).toBe(Verdict.ACCEPTED);
  });

  it('stops a program whose caller goes away, at once, and keeps the pod', async () => {
    const opened = await open(await startCluster());
    const before = cluster?.pods.names;
    const gone = new AbortController();
    const judgement = judge(
      opened,
      'while True: pass',
      [printing('')],
      { cpuMs: 60_000, wallMs: 60_000 },
      gone.signal,
    );
    setTimeout(() => {
      gone.abort();
    }, 300);
    await expect(judgement).rejects.toMatchObject({ name: 'AbortError' });
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(cluster?.pods.names).toEqual(before);
  });

  it('deletes a pod whose slot does not stop its program', async () => {
    const opened = await open(await startCluster());
    const before = cluster?.pods.names ?? [];
    const gone = new AbortController();
    const judgement = judge(
      opened,
      'while True: pass',
      [printing('')],
      { cpuMs: 60_000, wallMs: 60_000 },
      gone.signal,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const pid of slotPids()) process.kill(pid, 'SIGSTOP');
    gone.abort();
    await expect(judgement).rejects.toMatchObject({ name: 'AbortError' });
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(cluster?.pods.names).toHaveLength(1);
    expect(cluster?.pods.names).not.toEqual(before);
  });

  it('puts a new pod in the place of one that has run its number of submissions', async () => {
    const opened = await open(await startCluster(), { submissionsPerPod: 2 });
    const seen: (readonly string[])[] = [];
    for (let count = 0; count < 4; count++) {
      expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
      await new Promise((resolve) => setTimeout(resolve, 100));
      seen.push(cluster?.pods.names ?? []);
    }
    expect(seen[0]).not.toEqual(seen[1]);
    expect(seen[1]).toEqual(seen[2]);
    expect(seen[2]).not.toEqual(seen[3]);
  });

  it('deletes what an earlier start of the same judge left, and what has ended, but not what others use', async () => {
    const busy = await startCluster();
    const earlier = await openOn(busy, { owner: { instance: 'judge-0', incarnation: 'first' } });
    const other = await openOn(busy, { owner: { instance: 'judge-1', incarnation: 'only' } });
    const [first = '', others = ''] = busy.pods.names;
    await open(busy);
    expect(busy.pods.names).not.toContain(first);
    expect(busy.pods.names).toContain(others);
    expect(busy.pods.get(others)?.metadata.labels[instanceLabel]).toBe('judge-1');
    await earlier.close();
    await other.close();
  });
});

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
        source: 'import time\ntime.sleep(1)\nprint(1)',
        tests: [printing('1')],
        checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
        limits: { ...trialLimits, wallMs: 10_000 },
        stopAtFirstFailure: false,
      },
      { signal: never },
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const [busy = ''] = on.pods.names.filter((name) => on.busy.includes(name));
    await on.evict(busy);
    expect(await answer).toMatchObject({ judgement: { verdict: Verdict.ACCEPTED } });
    expect(await registry.metrics()).toMatch(/judge_sandbox_failures_total(?:\{.*\})? 1\n/);
  });

  it('takes the kernel’s word that a program used up the pod’s memory, and runs the next test elsewhere', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const source = 'import time\nn = input()\nprint(n)\nif n == "2": time.sleep(60)';
    const judgement = judge(
      opened,
      source,
      ['1', '2', '3'].map((n) => printing(n, n)),
      { wallMs: 60_000 },
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    await on.killForMemory(on.pods.names[0] ?? '');
    expect(await judgement).toMatchObject({
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

describe('a Kubernetes sandbox that cannot start', () => {
  const refusal = async (
    misfortune: FakeCluster['misfortune'],
    options: Partial<KubernetesSandboxOptions> = {},
  ): Promise<unknown> => {
    const on = await startCluster();
    on.misfortune = misfortune;
    return open(on, options).catch((error: unknown) => error);
  };
  const rbac = (verb: string, resource: string): Misfortune => ({
    status: 403,
    message: `${resource} is forbidden: User "system:serviceaccount:backsight:judge" cannot ${verb} resource "${resource}" in API group "" in the namespace "judge-sandboxes"`,
  });

  it.each([
    ['list', 'pods'],
    ['create', 'pods'],
    ['watch', 'pods'],
    ['get', 'pods/exec'],
  ])('names the right that its Role lacks: %s %s', async (verb, resource) => {
    const error = await refusal((call) =>
      call.verb === verb && call.resource === resource ? rbac(verb, resource) : undefined,
    );
    expect(error).toBeInstanceOf(NoSandbox);
    expect(String(error)).toContain(
      `The judge may not ${verb} ${resource} in namespace judge-sandboxes (403): its Role there must allow the verb "${verb}" on "${resource}".`,
    );
  });

  it('says which resource a pod waits for, when none runs in time', async () => {
    const on = await startCluster();
    on.fate = () => ({
      phase: 'Pending',
      conditions: [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'Unschedulable',
          message: '0/3 nodes are available: 3 Insufficient cpu.',
        },
      ],
    });
    await expect(open(on, { startMs: 500 })).rejects.toThrow(
      /^No pods to run programs in: Pod judge-runner-\w+ of image backsight\/judge:local does not run after 0.5 s: it is Pending on no node yet, PodScheduled is False \(Unschedulable: 0\/3 nodes are available: 3 Insufficient cpu\.\)/,
    );
  });

  it('names an image that cannot be pulled, without waiting', async () => {
    const on = await startCluster();
    on.fate = () => pulling;
    await expect(open(on)).rejects.toThrow(
      /of image backsight\/judge:local cannot run: .*ImagePullBackOff: Back-off/,
    );
  });

  it('says that the API is down', async () => {
    const { access } = await startCluster();
    await cluster?.stop();
    cluster = undefined;
    await expect(openOn({ access })).rejects.toThrow(
      /^No pods to run programs in: The Kubernetes API at http:\/\/127\.0\.0\.1:\d+ cannot be reached to list pods \(ECONNREFUSED\)/,
    );
  });

  it.each<[string, Misfortune, RegExp]>([
    [
      'a wrong token',
      { status: 401, message: 'Unauthorized' },
      /does not know who asks to create pods.*token/,
    ],
    [
      'a quota that is used up',
      { status: 403, message: 'pods "x" is forbidden: exceeded quota: pods' },
      /exceeded quota/,
    ],
    [
      'a server that is out of order',
      { status: 500, message: 'etcdserver: no leader' },
      /\(500\): etcdserver: no leader/,
    ],
  ])('passes on what Kubernetes says of %s', async (_what, wrong, words) => {
    const error = await refusal(({ verb }) => (verb === 'create' ? wrong : undefined));
    expect(error).toBeInstanceOf(NoSandbox);
    expect(String(error)).toMatch(words);
  });

  it('says which RuntimeClass there is not', async () => {
    const on = await startCluster({ runtimeClasses: [] });
    await expect(open(on)).rejects.toThrow(/RuntimeClass "kata" not found/);
  });

  it('says that an image has no Python', async () => {
    await expect(
      open(await startCluster(), { runner: { ...testRunner, python: '/nowhere/python3' } }),
    ).rejects.toThrow(
      /cannot run: it ended with exit code 128 \(StartError: spawn \/nowhere\/python3 ENOENT\)/,
    );
  });
});

describe('a Kubernetes sandbox whose API falters', () => {
  /** Goes wrong on the first calls of each kind. */
  const atFirst = (times: number, wrong: Misfortune, only?: string): FakeCluster['misfortune'] => {
    const counts = new Map<string, number>();
    return ({ verb, resource }) => {
      const kind = `${verb} ${resource}`;
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      return count <= times && (only === undefined || only === kind) ? wrong : undefined;
    };
  };

  it.each<[string, Misfortune, string | undefined]>([
    [
      'answers that it is busy',
      { status: 429, message: 'too many requests', retryAfterSeconds: 0.1 },
      undefined,
    ],
    ['is being restarted', { status: 503, message: 'apiserver is shutting down' }, undefined],
    ['cuts connections', 'cut', undefined],
    ['loses its answer to a creation', 'lost', 'create pods'],
    [
      'has two creations meet at a quota',
      { status: 409, message: 'please apply your changes to the latest version' },
      'create pods',
    ],
  ])('asks again when it %s', async (_how, wrong, only) => {
    const on = await startCluster();
    on.misfortune = atFirst(2, wrong, only);
    const opened = await open(on);
    expect(on.pods.names).toHaveLength(1);
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
  });

  it('waits as long as it is asked to', async () => {
    const on = await startCluster();
    on.misfortune = atFirst(
      1,
      { status: 429, message: 'too many requests', retryAfterSeconds: 1 },
      'create pods',
    );
    const started = performance.now();
    await open(on);
    expect(performance.now() - started).toBeGreaterThan(1000);
  });

  it('follows a pod over watches that end and versions that are forgotten', async () => {
    const on = await startCluster();
    on.fate = () => ({ phase: 'Pending' });
    const opening = open(on);
    for (let times = 0; times < 3; times++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      on.pods.forget();
    }
    on.fate = () => undefined;
    await on.settle();
    const opened = await opening;
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
  });
});
