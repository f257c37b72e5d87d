import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProbeResult, Run } from '@backsight/contract/coordinator';
import { quickstartTasks } from '@backsight/tiny';
import { backsight, processesOf, startHouse, type Started, TemporaryFolders } from './run-backsight.js';

const PORT = 17800;
const coordinator = ['--coordinator', `127.0.0.1:${PORT}`];
const rooms = ['--policy', `127.0.0.1:${PORT + 1}`, '--environment', `127.0.0.1:${PORT + 2}`];
const folders = new TemporaryFolders();

let folder = '';
let house: Started;
/** Set by the test that trains; the others look at this run. */
let runId = '';

/** Commands that call rooms by their own addresses. */
const ofRooms = ['conformance', 'checkpoints', 'restore', 'export'];

const run = async (...args: string[]) => {
  const where = ofRooms.includes(args[0] ?? '') ? [] : coordinator;
  const ended = await backsight([...args, ...where], { environment: process.env });
  return { ...ended, lines: ended.stdout.trimEnd().split('\n') };
};

beforeAll(async () => {
  folder = await folders.make();
  const tasks = join(folder, 'tasks.jsonl');
  const rows = quickstartTasks(11, { rewardTests: 'public' }).map((row) => `${JSON.stringify(row)}\n`);
  await writeFile(tasks, rows.join(''));
  await writeFile(
    join(folder, 'recipe.yaml'),
    JSON.stringify({
      name: 'mine',
      seed: 11,
      steps: 2,
      tasksPerStep: 4,
      groupSize: 8,
      policy: { address: `127.0.0.1:${PORT + 1}`, start: 'initial' },
      environment: { address: `127.0.0.1:${PORT + 2}`, split: 'train' },
      sampling: { maxTokens: 24 },
      hindsight: { demonstrationSource: 'none', feedback: 'always' },
      objective: { distillation: { alpha: 1, support: { kind: 'top-k-tail', k: 20 } } },
      teacher: { rate: 0.01 },
      optimizer: { learningRate: 3e-4, weightDecay: 0 },
      miniBatches: 8,
      checkpoint: { everySteps: 1 },
    }),
  );
  const where = ['--port', String(PORT), '--threads', '2', '--data', folder, '--tasks', tasks];
  house = await startHouse(where, process.env);
}, 60_000);

afterAll(async () => {
  house.child.kill('SIGINT');
  const { code, stdout } = await house.ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ coordinator: `127.0.0.1:${PORT}` });
  expect(await processesOf(folder)).toEqual([]);
  await folders.remove();
}, 60_000);

describe('backsight', () => {
  it('trains, and prints a plain line for each step when piped', async () => {
    const { code, stderr, lines } = await run('train', join(folder, 'recipe.yaml'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    runId = /^run (mine-\w+)$/.exec(lines[0] ?? '')?.[1] ?? '';
    expect(lines.slice(1, 3)).toEqual([
      expect.stringMatching(/^mine: step 1\/2 reward 0\.\d\d pass@1 {3}- +\d+ tokens\/s left \d\d:\d\d$/),
      expect.stringMatching(/^mine: step 2\/2 /),
    ]);
    expect(lines.at(-1)).toBe(`run ${runId} succeeded after 2 of 2 steps`);
  }, 60_000);

  it('replays a run that has ended', async () => {
    expect((await run('watch', runId)).lines.at(-1)).toBe(`run ${runId} succeeded after 2 of 2 steps`);
    const { stdout } = await run('watch', runId, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ runId, state: 'RUN_STATE_SUCCEEDED', policyVersion: 16 });
  });

  it('forks a run with changes', async () => {
    const { lines } = await run('fork', runId, '--step', '1', '--set', 'steps=3');
    expect(lines.at(-1)).toMatch(/^run mine-\w+ succeeded after 3 of 3 steps$/);
    const refused = await run('fork', runId, '--step', '1', '--set', 'stepz=3');
    expect(refused).toMatchObject({
      code: 1,
      stderr: '--set: stepz is no key of a recipe; did you mean steps?\n',
    });
  }, 60_000);

  it('lists runs', async () => {
    const { stdout } = await run('runs', '--json');
    expect((JSON.parse(stdout) as Run[]).map(({ name, step }) => [name, step])).toEqual([
      ['mine', 3],
      ['mine', 2],
    ]);
    expect((await run('runs')).lines).toEqual([
      expect.stringMatching(/^run +state +steps +begun$/),
      expect.stringMatching(/^─+/),
      expect.stringMatching(/^mine-\w+ +succeeded +3\/3 /),
      expect.stringMatching(new RegExp(`^${runId} +succeeded +2/2 `)),
    ]);
  });

  it('draws how runs went, on the terminal and as a picture', async () => {
    const { code, stdout } = await run('curves', runId);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^critic\/rewards\/mean {3}# mine\n 1\.00 ┤/);
    expect(stdout).toMatch(/0 +rollouts +64\n$/);
    const picture = join(folder, 'mine.svg');
    const drawn = await run('curves', runId, '--svg', picture, '--title', 'Two steps');
    expect(drawn.lines).toEqual([picture]);
    expect(await readFile(picture, 'utf8')).toMatch(/^<svg [^]*>Two steps<[^]*<\/svg>\n$/);
    const { stdout: json } = await run('curves', runId, '--every', '2', '--json');
    expect(JSON.parse(json)).toMatchObject([{ name: 'mine', points: [{ x: 64, spread: 0 }] }]);
  });

  it('says which figures runs have, and which run it does not know', async () => {
    const unknown = await run('curves', runId, '--figure', 'reward');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(
      /^No figure of these runs is called reward\. They have .*critic\/rewards\/mean, /,
    );
    const nobody = await run('curves', 'nobody');
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(/nobody/);
    const nowhere = await run('curves', runId, '--svg', join(folder, 'none', 'mine.svg'));
    expect(nowhere).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^The picture cannot be written: ENOENT/),
    });
  });

  it('lists the checkpoints of its policy, puts it back to one and exports it', async () => {
    const policy = rooms.slice(0, 2);
    const { lines } = await run('checkpoints', ...policy);
    expect(lines[0]).toMatch(/^checkpoint +version +score +size +saved$/);
    expect(lines).toContainEqual(
      expect.stringMatching(new RegExp(`^${runId}-step-2 +16 +0\\.\\d{3} +11\\.9 MB +20\\d\\d-`)),
    );
    expect(await run('restore', `${runId}-step-1`, ...policy)).toMatchObject({
      stdout: `the policy is at ${runId}-step-1, version 8\n`,
    });
    const { stdout } = await run('export', 'mine', ...policy);
    const [, path = ''] = /^version 8 is in (\S+)\n$/.exec(stdout) ?? [];
    expect((await readdir(path)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(await run('restore', 'nothing', ...policy)).toMatchObject({
      code: 1,
      stderr: 'there is no checkpoint "nothing"; "backsight checkpoints" lists those that exist\n',
    });
    expect(await run('export', 'mine', '--layout', 'peft', ...policy)).toMatchObject({
      code: 1,
      stderr: 'The policy trains no adapter that could be exported.\n',
    });
  });

  it('pauses, resumes and stops a run', async () => {
    const long = ['--set', 'steps=500', '--set', 'name=long', '--detach'];
    const started = await run('train', join(folder, 'recipe.yaml'), ...long);
    const id = started.lines[0] ?? '';
    const paused = await run('pause', id);
    expect(paused.stdout).toMatch(new RegExp(`^run ${id} (pauses after its step|paused)\n$`));
    expect((await run('watch', id)).lines.at(-1)).toMatch(
      new RegExp(`^run ${id} paused after \\d+ of 500 steps$`),
    );
    expect(await run('resume', id)).toMatchObject({ code: 0 });
    expect(await run('stop', id)).toMatchObject({ stdout: `run ${id} stopped\n` });
    expect(await run('resume', id)).toMatchObject({
      code: 1,
      stderr: `run ${id}: is stopped, neither paused nor failed\n`,
    });
  }, 60_000);

  it('evaluates', async () => {
    const { stdout } = await run('eval', '--split', 'held-out', '--samples', '2', ...rooms);
    expect(stdout).toMatch(
      /^held-out: pass@1 0\.\d{3}, reward 0\.\d{3}, 24 tasks, 48 samples, policy version \d+\n$/,
    );
  }, 60_000);

  it('probes', async () => {
    const { stdout } = await run('probe', join(folder, 'recipe.yaml'), '--tasks', '4', '--json');
    const result = JSON.parse(stdout) as ProbeResult;
    expect(result.hindsightFraction).toBeGreaterThan(0);
    const told = await run('probe', join(folder, 'recipe.yaml'), '--tasks', '4');
    expect(told.lines[1]).toMatch(
      /^told in hindsight +pass@1 [01]\.\d{3} +there is hindsight for \d+ % of the attempts$/,
    );
  }, 60_000);

  it('discovers, or says that it did not', async () => {
    const recipe = ['--recipe', join(folder, 'recipe.yaml')];
    const found = await run('discover', 'train-03', ...recipe, '--set', 'tasksPerStep=1');
    expect(found.code).toBe(0);
    expect(found.stdout).toMatch(
      /^train-03: 8 attempts, reward [^]*train-03 was solved within \d+ attempts of run mine-\w+:\n\n[^]*print/,
    );
    const spent = await run(
      'discover',
      'train-01',
      ...recipe,
      '--attempts',
      '8',
      '--set',
      'sampling.maxTokens=2',
    );
    expect(spent.code).toBe(1);
    expect(spent.stderr).toMatch(
      /^train-01 was not solved in 8 attempts, which are those of run mine-\w+\.\n$/,
    );
  }, 60_000);

  it('tells of no default that is nothing', async () => {
    expect((await run('conformance', '--help')).stdout).not.toMatch(/default: ("")?\)/);
  });

  it('judges policy and environment by their addresses', async () => {
    const { code, stderr, lines } = await run('conformance', '--only', 'describe', ...rooms);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines[0]).toMatch(/^✓ describe\.card +\d+\.\d\d s {2}says what it is: /);
    expect(lines.slice(-2)).toEqual([
      expect.stringMatching(
        /^policy weights on onnxruntime at \S+: 3 passed, 0 failed, 0 not offered, \d+ s$/,
      ),
      expect.stringMatching(/^environment coding at \S+: 1 passed, 0 failed, 0 not offered, \d+ s$/),
    ]);
    const whole = await run('conformance', '--environment', `127.0.0.1:${PORT + 2}`, '--json');
    expect(JSON.parse(whole.stdout)).toMatchObject([{ room: 'environment', passed: 8, failed: 0 }]);
    const strict = await run(
      'conformance',
      '--only',
      'objective.blend',
      '--loss-tolerance',
      '0',
      ...rooms.slice(0, 2),
    );
    expect(strict.code).toBe(1);
    expect(strict.stderr).toMatch(
      /^The policy fails objective\.blend: \w+ is -?[\d.]+, the specification has -?[\d.]+\.\n$/,
    );
    const nothing = await run('conformance', '--only', 'nonsense', ...rooms.slice(0, 2));
    expect(nothing).toMatchObject({ code: 1, stderr: 'No check begins with "nonsense".\n' });
  }, 60_000);

  it('starts a killed room again, and its runs go on', async () => {
    const started = await run('train', join(folder, 'recipe.yaml'), '--set', 'steps=4', '--detach');
    const id = started.lines[0] ?? '';
    for (const room of ['JUDGE', 'POLICY']) {
      const [pid] = await processesOf(
        `BACKSIGHT_${room}_ADDRESS=127.0.0.1:${PORT + (room === 'JUDGE' ? 2 : 1)}`,
      );
      process.kill(Number(pid), 'SIGKILL');
    }
    expect((await run('watch', id)).lines.at(-1)).toBe(`run ${id} succeeded after 4 of 4 steps`);
    const told = house.stderr().trim().split('\n').sort();
    expect(told).toEqual(
      ['judge', 'policy'].map((room) =>
        expect.stringMatching(new RegExp(`^The ${room} room ended by SIGKILL; .* It was started again\\.$`)),
      ),
    );
  }, 60_000);

  it('leaves a run that is watched to itself on Ctrl-C', async () => {
    const args = ['train', join(folder, 'recipe.yaml'), '--set', 'steps=500', ...coordinator];
    const { code, stderr } = await backsight(args, {
      environment: process.env,
      onOutput: (text, child) => {
        if (text.includes('step 1/500')) child.kill('SIGINT');
      },
    });
    expect(code).toBe(130);
    expect(stderr).toMatch(
      /^No longer watching\. The run goes on: backsight watch (mine-\w+), backsight stop \1\.\n$/,
    );
    const [id = ''] = /mine-\w+/.exec(stderr) ?? [];
    expect(await run('stop', id)).toMatchObject({ code: 0 });
  }, 60_000);
});
