import { describe, expect, it } from '@jest/globals';
import { Verdict } from '@backsight/contract/judge';
import { judge, oneClusterPerTest, printing } from './fake-cluster/on-fake-cluster.js';
import { incarnationLabel, instanceLabel } from './runner-pod.js';

const { open, startCluster } = oneClusterPerTest();

describe('leftovers of a Kubernetes sandbox', () => {
  it('are pods that nobody has a use for: its own beside those it knows, an earlier start’s, and ended ones', async () => {
    const on = await startCluster();
    const sandbox = await open(on);
    expect(await judge(sandbox, 'print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(await sandbox.leftovers?.()).toEqual([]);
    const manifest = on.pods.get(on.pods.names[0] ?? '')?.manifest;
    if (manifest === undefined) throw new Error('there is no pod to copy');
    const add = (name: string, instance: string, incarnation: string): void => {
      const labels = {
        ...manifest.metadata.labels,
        [instanceLabel]: instance,
        [incarnationLabel]: incarnation,
      };
      on.pods.add({ ...manifest, metadata: { ...manifest.metadata, name, labels } });
    };
    add('unknown', 'judge-0', 'second');
    add('earlier', 'judge-0', 'first');
    add('of-another', 'judge-1', 'only');
    add('ended', 'judge-1', 'only');
    on.pods.update('ended', { phase: 'Succeeded' });
    try {
      expect([...((await sandbox.leftovers?.()) ?? [])].sort()).toEqual([
        'pod earlier',
        'pod ended',
        'pod unknown',
      ]);
    } finally {
      for (const name of ['unknown', 'earlier', 'of-another', 'ended']) on.pods.remove(name);
    }
    expect(await sandbox.leftovers?.()).toEqual([]);
  });
});
