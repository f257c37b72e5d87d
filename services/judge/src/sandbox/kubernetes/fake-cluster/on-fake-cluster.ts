/** Kubernetes sandboxes on fake clusters for tests, which leave nothing behind. */
import { afterEach, expect } from '@jest/globals';
import { alive, descendants } from '../../leftovers.js';
import type { Sandbox } from '../../sandbox.js';
import { testRunner } from '../kubernetes-candidate.js';
import { type KubernetesSandboxOptions, openKubernetesSandbox } from '../kubernetes-sandbox.js';
import { FakeCluster, type FakeClusterOptions, fakeNamespace } from './fake-cluster.js';
import type { PodStatus } from './pod-store.js';

export { judgeProgram as judge, never, printing } from '../../../trials/judge-program.js';

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
