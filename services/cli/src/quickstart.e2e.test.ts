import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from './quickstart/results.js';

const program = join(import.meta.dirname, '../dist/main.js');
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `backsight` to its end; `onLine` sees stdout as it comes. */
function backsight(
  args: readonly string[],
  options: {
    readonly environment?: NodeJS.ProcessEnv;
    readonly onOutput?: (text: string, child: ChildProcess) => void;
  } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    options.onOutput?.(stdout, child);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backsight-e2e-'));
  folders.push(folder);
  return folder;
}

/** Ids of processes whose environment mentions a folder: rooms of a house that keeps its data there. */
async function processesOf(folder: string): Promise<readonly string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const mentions = await Promise.all(
    ids.map((id) =>
      readFile(`/proc/${id}/environ`, 'utf8').then(
        (text) => text.includes(folder),
        () => false,
      ),
    ),
  );
  return ids.filter((_, index) => mentions[index]);
}

describe('backsight quickstart', () => {
  it('trains both methods from the same start and records what it found', async () => {
    const runs = await temporaryFolder();
    const ended = await backsight([
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
    const runs = await temporaryFolder();
    let interrupted = false;
    const ended = await backsight(['quickstart', '--port', '17200', '--runs', runs], {
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
    const runs = await temporaryFolder();
    const ended = await backsight(['quickstart', '--port', '17300', '--runs', runs], {
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
    const runs = await temporaryFolder();
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(17401, '127.0.0.1', resolve));
    try {
      const ended = await backsight(['quickstart', '--port', '17400', '--runs', runs]);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toMatch(/127\.0\.0\.1:17401/);
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
      expect(await processesOf(runs)).toEqual([]);
    } finally {
      squatter.close();
    }
  }, 60_000);
});

describe('backsight up', () => {
  it.each([
    ['a model that is not there', ['--model', '/nowhere/model'], /\/nowhere\/model/],
    ['a task file that is not there', ['--tasks', '/nowhere/tasks.jsonl'], /\/nowhere\/tasks\.jsonl/],
    ['an option that does not exist', ['--frobnicate'], /unknown option '--frobnicate'/],
    ['a port that is none', ['--port', 'http'], /"http" is not a whole number from 1024 to 65000/],
  ])(
    'refuses %s with one clear sentence',
    async (_what, args, words) => {
      const data = await temporaryFolder();
      const tasks = args.includes('--tasks') ? [] : ['--tasks', join(import.meta.dirname, '../package.json')];
      const ended = await backsight(['up', '--port', '17500', '--data', data, ...tasks, ...args]);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toMatch(words);
    },
    60_000,
  );
});
