import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { IsolationTier, JudgeServiceDefinition, Verdict } from '@backsight/contract/judge';
import { connect } from '@backsight/rpc';
import { runToEnd, startRoomProcess } from '@backsight/testing';
import { FakeCluster } from './fake-cluster/fake-cluster.js';

const main = join(import.meta.dirname, '../../../dist/main.js');
let cluster: FakeCluster;
let folder = '';
let env: Record<string, string> = {};
beforeAll(async () => {
  cluster = await FakeCluster.start();
  folder = await mkdtemp(join(tmpdir(), 'backsight-kubernetes-'));
  await writeFile(join(folder, 'kubeconfig'), cluster.kubeconfig);
  env = {
    BACKSIGHT_JUDGE_ADDRESS: '127.0.0.1:0',
    BACKSIGHT_JUDGE_SLOTS: '2',
    BACKSIGHT_JUDGE_LANGUAGES: 'python',
    BACKSIGHT_SANDBOX: 'kubernetes',
    BACKSIGHT_KUBERNETES_IMAGE: 'backsight/judge:local',
    BACKSIGHT_KUBERNETES_RUNTIME_CLASS: 'kata',
    KUBECONFIG: join(folder, 'kubeconfig'),
  };
});
afterAll(async () => {
  await cluster.stop();
  await rm(folder, { recursive: true });
});

describe('the judge with pods', () => {
  it('serves from them, and deletes them when it is told to stop', async () => {
    const room = await startRoomProcess(main, { env });
    const { client, close } = connect(JudgeServiceDefinition, room.address);
    try {
      expect(await client.describe({})).toMatchObject({
        isolation: IsolationTier.CONTAINER,
        sandbox: 'kubernetes',
        capacity: 2,
      });
      expect(cluster.pods.names).toHaveLength(2);
      const judged = await client.judge({
        program: { language: 'python', source: 'print(input() * 2)' },
        tests: [{ kind: { $case: 'stdio', value: { input: 'ab', expectedOutput: 'abab' } } }],
      });
      expect(judged).toMatchObject({ verdict: Verdict.ACCEPTED });
    } finally {
      close();
    }
    expect(await room.stop()).toEqual({ code: 0, signal: null });
    expect(cluster.pods.names).toEqual([]);
  });

  it('clears away, started anew, what it left when it was killed', async () => {
    const killed = await startRoomProcess(main, { env });
    const left = cluster.pods.names;
    expect(left).toHaveLength(2);
    await killed.stop('SIGKILL');
    const room = await startRoomProcess(main, { env });
    expect(cluster.pods.names).toHaveLength(2);
    for (const name of left) expect(cluster.pods.names).not.toContain(name);
    await room.stop();
  });

  it('does not start without a cluster, an image or a right of its Role, and says so in one sentence', async () => {
    const stderr = async (changes: Record<string, string>): Promise<string> => {
      const end = await runToEnd(main, { env: { ...env, ...changes } });
      expect(end.code).toBe(1);
      return end.stderr;
    };
    expect(await stderr({ KUBECONFIG: '', KUBERNETES_SERVICE_HOST: '' })).toBe(
      'judge: No Kubernetes cluster to run programs in: the judge is in no pod (KUBERNETES_SERVICE_HOST is not set) and KUBECONFIG names no file.\n',
    );
    expect(await stderr({ BACKSIGHT_KUBERNETES_IMAGE: '' })).toMatch(
      /^judge: No image .*BACKSIGHT_KUBERNETES_IMAGE/,
    );
    expect(await stderr({ BACKSIGHT_KUBERNETES_MEMORY: 'lots' })).toMatch(
      /^judge: BACKSIGHT_KUBERNETES_MEMORY must be a quantity, for example 500m or 1Gi, not "lots"/,
    );
    cluster.misfortune = ({ verb }) =>
      verb === 'create'
        ? {
            status: 403,
            message: 'pods is forbidden: User "judge" cannot create resource "pods" in API group ""',
          }
        : undefined;
    expect(await stderr({})).toMatch(/^judge: No pods to run programs in: The judge may not create pods/);
    cluster.misfortune = () => undefined;
    expect(cluster.pods.names).toEqual([]);
  });
});
