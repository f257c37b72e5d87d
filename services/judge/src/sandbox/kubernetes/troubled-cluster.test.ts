import { describe, expect, it } from '@jest/globals';
import { Verdict } from '@backsight/contract/judge';
import { NoSandbox } from '../sandbox.js';
import type { Misfortune } from './fake-cluster/answers.js';
import type { FakeCluster } from './fake-cluster/fake-cluster.js';
import { judge, openOn, oneClusterPerTest, printing, pulling } from './fake-cluster/on-fake-cluster.js';
import { testRunner } from './kubernetes-candidate.js';
import type { KubernetesSandboxOptions } from './kubernetes-sandbox.js';

const { open, startCluster, stopCluster } = oneClusterPerTest();

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
    await expect(open(on, { startMs: 2000 })).rejects.toThrow(
      /^No pods to run programs in: Pod judge-runner-\w+ of image backsight\/judge:local does not run after 2 s: it is Pending on no node yet, PodScheduled is False \(Unschedulable: 0\/3 nodes are available: 3 Insufficient cpu\.\)/,
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
    await stopCluster();
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
