/** The kubernetes sandbox on trial, in pods of a fake cluster whose containers are processes of this machine. */
import type { Candidate } from '../candidate.js';
import { alive, descendants } from '../leftovers.js';
import { FakeCluster, fakeNamespace } from './fake-cluster/fake-cluster.js';
import { nodeInImage, roomInImage } from './fake-cluster/fake-kubelet.js';
import { openKubernetesSandbox } from './kubernetes-sandbox.js';
import type { RunnerOptions } from './runner-pod.js';

/** The runner pods of tests. */
export const testRunner: RunnerOptions = {
  image: 'backsight/judge:local',
  room: roomInImage,
  node: nodeInImage,
  python: '/usr/bin/python3',
  runtimeClass: 'kata',
  profiles: { seccomp: undefined, appArmor: undefined },
  cpu: '1',
  memory: '1Gi',
  lifeSeconds: 3600,
  user: 10_001,
};

/** Through the whole client and its protocol; what contains the programs is the slot in the pod. */
export function kubernetesCandidate(): Candidate {
  let cluster: FakeCluster | undefined;
  let before: readonly number[] = [];
  let pods: readonly number[] = [];
  return {
    name: 'kubernetes',
    mix: 150,
    open: async (slots) => {
      before = descendants(process.pid);
      const opened = await FakeCluster.start();
      cluster = opened;
      const sandbox = await openKubernetesSandbox({
        access: opened.access,
        namespace: fakeNamespace,
        owner: { instance: 'judge-0', incarnation: 'on-trial' },
        runner: testRunner,
        slots,
        submissionsPerPod: 1000,
        startMs: 30_000,
        languages: undefined,
        onComplaint: () => undefined,
      }).catch(async (error: unknown) => {
        await opened.stop();
        throw error;
      });
      return {
        ...sandbox,
        close: async () => {
          pods = descendants(process.pid).filter((pid) => !before.includes(pid));
          await sandbox.close();
          await opened.stop();
        },
      };
    },
    stillRunning: () => settled(() => cluster?.busy ?? []),
    remains: async () => [
      ...(cluster?.pods.names ?? []).map((name) => `pod ${name}`),
      ...(await settled(() => alive(pods).map((pid) => `process ${pid}`))),
    ],
  };
}

/** Waits a second for the last ones to die. */
async function settled(look: () => readonly string[]): Promise<readonly string[]> {
  for (let attempt = 0; ; attempt++) {
    const left = look();
    if (left.length === 0 || attempt === 40) return left;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
