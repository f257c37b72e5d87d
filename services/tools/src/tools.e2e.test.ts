import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { playEpisode } from '@backsight/environment';
import { connect } from '@backsight/rpc';
import { runToEnd, startRoomProcess } from '@backsight/testing';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-tools-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('the tools room', () => {
  it('plays its examples and drains on SIGTERM', async () => {
    const room = await startRoomProcess(main, { env: { BACKSIGHT_TOOLS_ADDRESS: '127.0.0.1:0' } });
    const { client, close } = connect(EnvironmentServiceDefinition, room.address);
    const outcome = await playEpisode(client, { taskId: 'tooluse/4046', seed: 0 }, () => ({
      text: 'Action: getRandomAxolotlImage\nAction Input: {}',
      truncated: false,
    }));
    close();
    expect(outcome).toMatchObject({ reward: 1 });
    expect(await room.stop()).toEqual({ code: 0, signal: null });
  });

  it('says what is wrong with its tasks and its settings, with exit code 1', async () => {
    const tasks = join(folder, 'bad.jsonl');
    await writeFile(tasks, '{"idx": 1}\nnot JSON\n');
    const env = { BACKSIGHT_TOOLS_ADDRESS: '127.0.0.1:0', BACKSIGHT_TOOL_TASKS: tasks };
    const badTasks = await runToEnd(main, { env });
    expect(badTasks).toMatchObject({ code: 1, stdout: '' });
    expect(badTasks.stderr).toContain(`tools: ${tasks}:2: is not JSON\n`);
    const badSetting = await runToEnd(main, { env: { BACKSIGHT_TOOL_PAIRNG: 'merged' } });
    expect(badSetting).toMatchObject({ code: 1 });
    expect(badSetting.stderr).toMatch(/^tools: BACKSIGHT_TOOL_PAIRNG is no setting of this room/);
  });
});
