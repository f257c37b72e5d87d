/** Kubernetes sandboxes on fake clusters for tests, which leave nothing behind. */
import { afterEach, expect } from '@jest/globals';
import { CheckerKind } from '@backsight/contract/judge';
import { judgeSubmission } from '../../../judging/judge-submission.js';
import type { Judgement, Test } from '../../../judging/submission.js';
import { trialLimits } from '../../../trials/trial.js';
import { alive, descendants } from '../../leftovers.js';
import type { RunLimits, Sandbox } from '../../sandbox.js';
import { testRunner } from '../kubernetes-candidate.js';
import { type KubernetesSandboxOptions, openKubernetesSandbox } from '../kubernetes-sandbox.js';
import { FakeCluster, type FakeClusterOptions, fakeNamespace } from './fake-cluster.js';
import type { PodStatus } from './pod-store.js';

export const never: AbortSignal = new AbortController().signal;

/** A cluster and a sandbox at most per test; afterwards there is no pod, and no process of one. */
export function oneClusterPerTest() {
  let cluster: FakeCluster | undefined;
  let sandbox: Sandbox | undefined;
  afterEach(async () => {
    const below = descendants(process.pid);
    await sandbox?.close();
    expect(cluster?.pods.names ?? []).toEqual([]);
    await cluster?.stop();
    expect(alive(below)).toEqual([]);
    sandbox = cluster = undefined;
  });
  return {
    startCluster: async (options?: FakeClusterOptions): Promise<FakeCluster> => {
      cluster = await FakeCluster.start(options);
      return cluster;
    },
    open: async (on: FakeCluster, options?: Partial<KubernetesSandboxOptions>): Promise<Sandbox> => {
      sandbox = await openOn(on, options);
      return sandbox;
    },
    /** Takes the cluster away before the test is over. */
    stopCluster: async (): Promise<void> => {
      await cluster?.stop();
      cluster = undefined;
    },
  };
}

/** A sandbox of one pod for Python; whoever opens it closes it. */
export function openOn(
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
    onComplaint: () => undefined,
    ...options,
  });
}

/** A test of what a program prints. */
export const printing = (expected: string, input = ''): Test => ({
  kind: 'stdio',
  input,
  expected,
  hidden: false,
});

/** Judges a Python program. */
export function judge(
  on: Sandbox,
  source: string,
  tests: readonly Test[],
  limits: Partial<RunLimits> = {},
  signal: AbortSignal = never,
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

/** The status of a pod whose image cannot be had. */
export const pulling: PodStatus = {
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
