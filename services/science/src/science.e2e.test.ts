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
const anywhere = { BACKSIGHT_SCIENCE_ADDRESS: '127.0.0.1:0' };
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-science-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('the science room', () => {
  it('plays its examples as its settings say and drains on SIGTERM', async () => {
    const env = { ...anywhere, BACKSIGHT_SCIENCE_REVEAL: 'answer' };
    const room = await startRoomProcess(main, { env });
    const { client, close } = connect(EnvironmentServiceDefinition, room.address);
    const outcome = await playEpisode(client, { taskId: 'half-life', seed: 0 }, () => ({
      text: '<answer>A</answer>',
      truncated: false,
    }));
    close();
    expect(outcome).toMatchObject({ reward: 0 });
    expect(outcome.feedback.at(-1)?.text).toBe('The right option is C: 8 hours');
    expect(await room.stop()).toEqual({ code: 0, signal: null });
  });

  it('says what is wrong with its tasks and its settings, with exit code 1', async () => {
    const tasks = join(folder, 'train.jsonl');
    await writeFile(tasks, '{"idx": 1, "prompt": "A: a\\nB: b", "answer": "C"}\nnot JSON\n');
    const badTasks = await runToEnd(main, { env: { ...anywhere, BACKSIGHT_SCIENCE_TASKS: tasks } });
    expect(badTasks).toMatchObject({ code: 1, stdout: '' });
    expect(badTasks.stderr).toContain(`science: ${tasks}:1: answer: must be one of A, B, is "C"\n`);
    expect(badTasks.stderr).toContain(`science: ${tasks}:2: is not JSON\n`);
    const badSetting = await runToEnd(main, { env: { BACKSIGHT_SCIENCE_REVEALS: 'hints' } });
    expect(badSetting).toMatchObject({ code: 1 });
    expect(badSetting.stderr).toMatch(/^science: BACKSIGHT_SCIENCE_REVEALS is no setting of this room/);
  });
});
