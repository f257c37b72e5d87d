import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Run } from '@backsight/contract/coordinator';
import { quickstartTasks } from '@backsight/tiny';
import type { RunSummary } from './progress/tally.js';
import { backsight, processesOf, startHouse, type Started, TemporaryFolders } from './run-backsight.js';

const PORT = 17850;
const folders = new TemporaryFolders();
let folder = '';
let house: Started;

beforeAll(async () => {
  folder = await folders.make();
  const tasks = join(folder, 'tasks.jsonl');
  await writeFile(
    tasks,
    quickstartTasks(11)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  await writeFile(
    join(folder, 'recipe.yaml'),
    JSON.stringify({
      name: 'followed',
      seed: 11,
      steps: 4,
      tasksPerStep: 6,
      groupSize: 8,
      policy: { address: `127.0.0.1:${PORT + 1}`, start: 'initial' },
      environment: { address: `127.0.0.1:${PORT + 2}`, split: 'train' },
      sampling: { maxTokens: 24 },
      objective: { distillation: { alpha: 1, support: { kind: 'top-k-tail', k: 20 } } },
      optimizer: { learningRate: 3e-4, weightDecay: 0 },
      miniBatches: 4,
    }),
  );
  const where = ['--port', String(PORT), '--threads', '1', '--data', folder, '--tasks', tasks];
  house = await startHouse([...where, '--followers', '2'], process.env);
}, 60_000);

afterAll(async () => {
  house.child.kill('SIGINT');
  const { code, stdout } = await house.ended;
  expect(code).toBe(0);
  const followers = [`127.0.0.1:${PORT + 10}`, `127.0.0.1:${PORT + 11}`];
  expect(JSON.parse(stdout)).toMatchObject({ policy: `127.0.0.1:${PORT + 1}`, followers });
  expect(await processesOf(folder)).toEqual([]);
  await folders.remove();
}, 60_000);

const train = (...args: string[]) =>
  backsight(['train', join(folder, 'recipe.yaml'), '--coordinator', `127.0.0.1:${PORT}`, ...args], {
    environment: process.env,
    onOutput: (text) => {
      killOnce(text);
    },
  });
let killOnce: (text: string) => void = () => undefined;

describe('backsight up --followers', () => {
  it('has followers sample, goes on when one is killed, and starts it again', async () => {
    killOnce = (text) => {
      if (!text.includes('step 2/4')) return;
      killOnce = () => undefined;
      void processesOf(`BACKSIGHT_POLICY_ADDRESS=127.0.0.1:${PORT + 10}`).then(([pid]) => {
        process.kill(Number(pid), 'SIGKILL');
      });
    };
    const { code, stdout, stderr } = await train();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/^run followed-\w+ succeeded after 4 of 4 steps$/);
    expect(lines.at(-2)).toMatch(
      /^sampled \d+ tokens\/s; staleness 0\.00 steps, at most 0; [12]\.\d followers sampled 100 %; sync \d+\.\d\d s, at most \d+\.\d\d; \d+ completions asked for again$/,
    );
    for (let waited = 0; !house.stderr().includes('started again') && waited < 100; waited += 1)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(house.stderr()).toMatch(
      /^The follower-1 room ended by SIGKILL; .*follower-1\.log\. It was started again\.\n$/,
    );
  }, 60_000);

  it('tells staleness, sync seconds and tokens a second as JSON, and can be told to do without', async () => {
    const run = async (...args: string[]) =>
      JSON.parse((await train('--set', 'steps=2', '--json', ...args)).stdout) as Run & {
        summary: RunSummary;
      };
    const { metrics, summary, recipeYaml } = await run('--set', 'maxStaleness=1');
    expect(recipeYaml).toContain(`- 127.0.0.1:${PORT + 10}`);
    expect(metrics).toMatchObject({ 'followers/share': 1 });
    expect(summary.tokensPerSecond).toBeGreaterThan(0);
    expect(summary.staleness?.most).toBeLessThanOrEqual(1);
    expect(summary.followers?.share).toBe(1);
    expect((await run('--set', 'policy.followers=[]')).summary).not.toHaveProperty('followers');
  }, 60_000);
});
