import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { CheckerKind, IsolationTier, Verdict } from '@backsight/contract/judge';
import { judgeSubmission } from '../../judging/judge-submission.js';
import { program, trialLimits } from '../../trials/trial.js';
import { slotPids } from '../leftovers.js';
import type { SecurityLevel } from './fake-cluster/admission.js';
import { judge, never, openOn, oneClusterPerTest, printing } from './fake-cluster/on-fake-cluster.js';
import { testRunner } from './kubernetes-candidate.js';
import { instanceLabel, type NodeProfiles } from './runner-pod.js';

const { open, startCluster } = oneClusterPerTest();

const run = promisify(execFile);
const hasOpenssl = await run('openssl', ['version']).then(
  () => true,
  () => false,
);

/** A certificate for loopback, its own authority, and its key. */
async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'backsight-certificate-'));
  try {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
    ];
    const names = ['-subj', '/CN=fake', '-addext', 'subjectAltName=IP:127.0.0.1'];
    await run('openssl', [...request, ...names, '-out', cert, '-keyout', key]);
    return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('openKubernetesSandbox', () => {
  it.each([['v5.channel.k8s.io'], ['v4.channel.k8s.io']])(
    'runs programs in pods, over %s',
    async (protocol) => {
      const on = await startCluster({ protocols: [protocol] });
      const opened = await open(on, { slots: 2 });
      expect(opened).toMatchObject({ name: 'kubernetes', tier: IsolationTier.CONTAINER, capacity: 2 });
      const judgements = await Promise.all(
        ['a', 'b'].map((input) => judge(opened, 'print(input() * 3)', [printing(input.repeat(3), input)])),
      );
      expect(judgements.map(({ verdict }) => verdict)).toEqual([Verdict.ACCEPTED, Verdict.ACCEPTED]);
      expect(on.pods.names).toHaveLength(2);
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

  (hasOpenssl ? it : it.skip)('calls over TLS, and no server that its authority does not know', async () => {
    const on = await startCluster({ certificate: await selfSigned() });
    const opened = await open(on);
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    const stranger = { access: { ...on.access, tls: { ca: (await selfSigned()).cert } } };
    await expect(openOn(stranger)).rejects.toThrow(/cannot be reached to list pods \(.*SELF_SIGNED/);
  });

  it('lets a program talk with an interactor, which gets a pod of its own', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const bisecting = program`
      low, high = 1, 100
      while True:
          guess = (low + high) // 2
          print(guess, flush=True)
          said = input()
          if said == 'right': break
          low, high = (guess + 1, high) if said == 'more' else (low, guess - 1)
    `;
    const interactor = program`
      import sys
      number = int(open(sys.argv[1]).read())
      while True:
          guess = int(input())
          if guess == number:
              print('right', flush=True)
              sys.exit(0)
          print('more' if guess < number else 'less', flush=True)
    `;
    const judgement = await judgeSubmission(
      opened,
      {
        language: 'python',
        source: bisecting,
        tests: [{ kind: 'interactive', input: '42', expected: '', hidden: false }],
        checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
        interactor: { language: 'python', source: interactor },
        limits: { ...trialLimits, wallMs: 20_000 },
        stopAtFirstFailure: false,
      },
      never,
    );
    expect(judgement).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(on.pods.names).toHaveLength(2);
  });

  it('carries megabytes in and out, whole', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const input = Array.from({ length: 200_000 }, (_, index) => `${index}`).join('\n');
    const judgement = await judge(opened, 'import sys\nsys.stdout.write(sys.stdin.read())', [
      printing(input, input),
    ]);
    expect(judgement.verdict).toBe(Verdict.ACCEPTED);
  });

  it('stops a program whose caller goes away, at once, and keeps the pod', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const before = on.pods.names;
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
    expect(on.pods.names).toEqual(before);
  });

  it('deletes a pod whose slot does not stop its program', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const before = on.pods.names;
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
    expect(on.pods.names).toHaveLength(1);
    expect(on.pods.names).not.toEqual(before);
  });

  it('puts a new pod in the place of one that has run its number of submissions', async () => {
    const on = await startCluster();
    const opened = await open(on, { submissionsPerPod: 2 });
    const created = (): number => on.calls.filter(({ verb }) => verb === 'create').length;
    const pods: number[] = [];
    for (let count = 0; count < 5; count++) {
      expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
      if (count % 2 === 0) pods.push(created()); // what comes after every second one may have begun already
    }
    expect(pods).toEqual([1, 2, 3]);
  });

  it('puts a new pod in the place of one in which a program died of a forbidden call', async () => {
    const on = await startCluster();
    const opened = await open(on);
    const before = on.pods.names;
    await judge(opened, 'raise MemoryError', [printing('')]);
    expect(on.pods.names).toEqual(before);
    await judge(opened, 'import os, signal\nos.kill(os.getpid(), signal.SIGSYS)', [printing('')]);
    expect(await judge(opened, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(on.pods.names).toHaveLength(1);
    expect(on.pods.names).not.toEqual(before);
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
