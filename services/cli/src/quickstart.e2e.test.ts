import { afterEach, describe, expect, it } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { RunResult } from './quickstart/results.js';
import { backsight, processesOf, type RunOptions, TemporaryFolders } from './run-backsight.js';

const folders = new TemporaryFolders();

afterEach(() => folders.remove());

const run = (args: readonly string[], options: Pick<RunOptions, 'onOutput'> = {}) =>
  backsight(args, { environment: process.env, ...options });

describe('backsight quickstart', () => {
  it('trains both methods from the same start and records what it found', async () => {
    const runs = await folders.make();
    const ended = await run([
      'quickstart',
      '--steps',
      '2',
      '--seed',
      '3',
      '--port',
      '17100',
      '--runs',
      runs,
      '--json',
    ]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const results = JSON.parse(ended.stdout) as RunResult[];
    expect(results.map(({ method, rollouts }) => [method, rollouts])).toEqual([
      ['SDPO', 2 * 96],
      ['GRPO', 2 * 96],
    ]);
    const [sdpo, grpo] = results.map(({ heldOut }) => heldOut);
    // Before training both are the same policy, sampled with the same seed.
    expect(sdpo?.[0]?.passRate).toBe(grpo?.[0]?.passRate);
    expect(sdpo?.at(-1)?.step).toBe(2);
    const [folder = ''] = await readdir(runs);
    expect(await readdir(join(runs, folder))).toEqual(
      expect.arrayContaining(['curves.svg', 'results.json', 'store.sqlite', 'tasks.jsonl']),
    );
    expect(await processesOf(runs)).toEqual([]);
  }, 180_000);

  it('stops everything on Ctrl-C', async () => {
    const runs = await folders.make();
    let interrupted = false;
    const ended = await run(['quickstart', '--port', '17200', '--runs', runs], {
      onOutput: (text, child) => {
        if (interrupted || !text.includes('SDPO: step')) return;
        interrupted = true;
        child.kill('SIGINT');
      },
    });
    expect(interrupted).toBe(true);
    expect(ended).toMatchObject({ code: 130, stderr: 'stopped\n' });
    expect(await processesOf(runs)).toEqual([]);
  }, 180_000);

  it('leaves no room behind when it is killed outright', async () => {
    const runs = await folders.make();
    const ended = await run(['quickstart', '--port', '17300', '--runs', runs], {
      onOutput: (text, child) => {
        if (text.includes('SDPO: step')) child.kill('SIGKILL');
      },
    });
    expect(ended.code).toBeNull();
    const deadline = Date.now() + 20_000;
    while ((await processesOf(runs)).length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await processesOf(runs)).toEqual([]);
  }, 180_000);

  it('names an occupied port', async () => {
    const runs = await folders.make();
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(17401, '127.0.0.1', resolve));
    try {
      const ended = await run(['quickstart', '--port', '17400', '--runs', runs]);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toMatch(/127\.0\.0\.1:17401/);
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
      expect(await processesOf(runs)).toEqual([]);
    } finally {
      squatter.close();
    }
  }, 60_000);
});
