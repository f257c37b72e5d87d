import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { connect } from '@backsight/rpc';
import { startRoomProcess } from '@backsight/testing';

const main = join(import.meta.dirname, '../dist/main.js');
const model = join(import.meta.dirname, '../../../models/tiny/weights');

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'policy-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the policy as a process', () => {
  it('leaves nothing of onnxruntime in the home folder, nor among temporary files', async () => {
    const [home, temporary] = [join(folder, 'home'), join(folder, 'tmp')];
    await Promise.all([mkdir(home), mkdir(temporary)]);
    const env = {
      HOME: home,
      TMPDIR: temporary,
      BACKSIGHT_MODEL: model,
      BACKSIGHT_CHECKPOINTS: join(folder, 'checkpoints'),
      BACKSIGHT_POLICY_ADDRESS: '127.0.0.1:0',
      BACKSIGHT_THREADS: '1',
    };
    const room = await startRoomProcess(main, { env });
    const { client, close } = connect(proto.PolicyServiceDefinition, room.address);
    try {
      const { scores } = await client.score({
        items: [{ promptIds: [1, 5], completionIds: [6, 4] }],
        weights: proto.WeightSet.STUDENT,
      });
      expect(scores[0]?.logprobs).toHaveLength(2);
    } finally {
      close();
      await room.stop();
    }
    expect(await readdir(home)).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });
});
