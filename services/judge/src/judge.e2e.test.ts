import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { IsolationTier, JudgeServiceDefinition, Verdict } from '@backsight/contract/judge';
import { playEpisode } from '@backsight/environment';
import { connect } from '@backsight/rpc';
import { freePort } from '@backsight/testing';
import { alive, descendants, leftGroups, slotPids } from './sandbox/leftovers.js';
import { whyNoSandbox } from './sandbox/real-sandbox.js';

const main = join(import.meta.dirname, '../dist/main.js');
const sleep = { language: 'python', source: 'import os, time\nos.fork()\ntime.sleep(60)' };
const patient = { wallTime: { seconds: 60, nanos: 0 } };
const task = {
  task_id: 'double',
  prompt: 'Print twice the number you read.',
  tests: [{ input: '2\n', output: '4\n' }],
};

let folder = '';
let rooms: Room[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-judge-test-'));
  await chmod(folder, 0o755); // for the judge that runs as another user
  await writeFile(join(folder, 'tasks.jsonl'), `${JSON.stringify(task)}\n`);
});
afterEach(() => {
  for (const { child } of rooms)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  rooms = [];
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface Room {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly address: string;
  /** A figure of its own, without its labels. */
  readonly figure: (name: string) => Promise<number>;
  readonly stderr: () => string;
  readonly ended: Promise<unknown>;
}

/** Starts the judge as a process, as another user where one is given. */
async function start(user?: number, flags: readonly string[] = []): Promise<Room> {
  const metricsAddress = `127.0.0.1:${await freePort()}`;
  const child = spawn(process.execPath, [main, ...flags], {
    env: {
      BACKSIGHT_JUDGE_ADDRESS: '127.0.0.1:0',
      BACKSIGHT_JUDGE_METRICS_ADDRESS: metricsAddress,
      BACKSIGHT_JUDGE_SLOTS: '2',
      // Each language found is attacked at every start.
      BACKSIGHT_JUDGE_LANGUAGES: 'python,javascript',
      BACKSIGHT_TASKS: join(folder, 'tasks.jsonl'),
      SECRET: 'of the judge',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  let [stdout, stderr] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise((resolve) => {
    child.once('close', (code, signal) => {
      resolve(signal ?? code);
    });
  });
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      const found = / listening on (\S+)\n/.exec(stdout)?.[1];
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => {
      reject(new Error(`the judge did not start: ${stderr}`));
    });
  });
  const figure = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://${metricsAddress}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
  };
  const room = { child, pid: child.pid ?? 0, address, figure, stderr: () => stderr, ended };
  rooms.push(room);
  return room;
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let left = 200; !(await condition()); left--) {
    if (left === 0) throw new Error('it never came to that');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
/** Starts a program that sleeps in every slot, and waits until they run. */
async function sleepers(room: Room) {
  const { client, close } = connect(JudgeServiceDefinition, room.address, { retry: false });
  const gone = new AbortController();
  const idle = descendants(room.pid).length;
  const running = [1, 2].map((each) =>
    client
      .execute(
        { program: { ...sleep, source: `${sleep.source}\n# ${each}` }, limits: patient },
        { signal: gone.signal },
      )
      .catch((error: unknown) => error),
  );
  // In each slot a warden, the program and its child.
  await until(() => descendants(room.pid).length === idle + 6);
  return { gone, close, running, all: descendants(room.pid), slots: slotPids(room.pid), idle };
}

const missing = await whyNoSandbox();
/** Where the test itself is root, and can become another user. */
const root = process.getuid?.() === 0;
const kinds = ['zygote', ...((await whyNoSandbox('bubblewrap')) === undefined ? ['bubblewrap'] : [])];
const where = missing === undefined ? describe : describe.skip;

where(`the judge as a process${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it('judges programs and plays episodes on one address, and drains on SIGTERM', async () => {
    const room = await start();
    const judging = connect(JudgeServiceDefinition, room.address);
    const playing = connect(EnvironmentServiceDefinition, room.address);
    expect(await judging.client.describe({})).toMatchObject({
      languages: expect.arrayContaining([expect.objectContaining({ name: 'python' })]),
      sandbox: 'zygote',
      capacity: 2,
    });
    const episode = { taskId: 'double', seed: 0 };
    const answer = (text: string) => () => ({ text: `\`\`\`python\n${text}\n\`\`\``, truncated: false });
    expect(await playEpisode(playing.client, episode, answer('print(2 * int(input()))'))).toMatchObject({
      reward: 1,
      solved: true,
      feedback: [],
    });
    expect(await playEpisode(playing.client, episode, answer('print(input())'))).toMatchObject({
      reward: 0,
      feedback: [{ text: 'Wrong answer on test 1\nInput: 2\nOutput: 2\nExpected: 4' }],
    });
    // What runs when the signal comes is run to its end.
    const last = judging.client.execute({
      program: {
        language: 'python',
        source: 'import time\nprint("up", flush=True)\ntime.sleep(0.4)\nprint("done")',
      },
    });
    const pids = descendants(room.pid);
    await until(() => descendants(room.pid).length > pids.length);
    const slots = slotPids(room.pid);
    room.child.kill('SIGTERM');
    expect(Buffer.from((await last).stdout).toString()).toBe('up\ndone\n');
    expect(await room.ended).toBe(0);
    judging.close();
    playing.close();
    expect(alive(pids)).toEqual([]);
    expect(await leftGroups(slots)).toEqual([]);
  });

  it('kills the process tree when the caller is gone', async () => {
    const room = await start();
    const { gone, close, running, idle } = await sleepers(room);
    const aborted = performance.now();
    gone.abort();
    await until(() => descendants(room.pid).length === idle);
    expect(performance.now() - aborted).toBeLessThan(1000);
    for (const end of await Promise.all(running)) expect(end).toMatchObject({ name: 'AbortError' });
    await until(async () => (await room.figure('judge_kill_seconds_count')) === 2);
    expect(await room.figure('judge_leftovers')).toBe(0);
    close();
  });

  it('leaves nothing running when it is killed, and its slots clear away after themselves', async () => {
    const room = await start();
    const { close, all, slots, running } = await sleepers(room);
    room.child.kill('SIGKILL');
    await until(() => alive(all).length === 0);
    await until(async () => (await leftGroups(slots)).length === 0);
    for (const end of await Promise.all(running)) expect(end).toBeInstanceOf(Error);
    close();
  });

  it('clears away, when it starts again, what a judge left that was killed with all its slots', async () => {
    const room = await start();
    const { close, all, slots } = await sleepers(room);
    for (const pid of slots) process.kill(pid, 'SIGKILL');
    room.child.kill('SIGKILL');
    await until(() => alive(all).length === 0);
    const left = await leftGroups(slots);
    const again = await start();
    expect(await leftGroups(slots)).toEqual([]);
    expect(await again.figure('judge_leftovers')).toBe(0);
    const { client, close: closeAgain } = connect(JudgeServiceDefinition, again.address);
    const { isolation } = await client.describe({});
    // With control groups the test is about something.
    expect(left.length > 0).toBe(isolation === IsolationTier.CONTROL_GROUPS);
    close();
    closeAgain();
  });

  (root ? it : it.skip).each(kinds)('isolates by %s without being root', async (kind) => {
    const room = await start(65_534, [`--sandbox=${kind}`]);
    const { client, close } = connect(JudgeServiceDefinition, room.address);
    const { isolation } = await client.describe({});
    expect([IsolationTier.NAMESPACES, IsolationTier.CONTROL_GROUPS]).toContain(isolation);
    const judge = async (source: string, language = 'python') =>
      (
        await client.judge({
          program: { language, source },
          tests: [{ kind: { $case: 'stdio', value: { input: '', expectedOutput: 'ok' } } }],
          limits: {
            cpuTime: { seconds: 0, nanos: 5e8 },
            wallTime: { seconds: 1, nanos: 5e8 },
            memoryBytes: 128 << 20,
            processes: 16,
          },
        })
      ).verdict;
    expect(await judge('print("ok")')).toBe(Verdict.ACCEPTED);
    expect(await judge('import socket\ntry:\n    socket.socket()\nexcept OSError:\n    print("ok")')).toBe(
      Verdict.ACCEPTED,
    );
    expect(await judge('import os\nprint("ok" if not os.path.exists("/root") else "seen")')).toBe(
      Verdict.ACCEPTED,
    );
    expect(await judge('import os\nprint("ok" if "SECRET" not in os.environ else "seen")')).toBe(
      Verdict.ACCEPTED,
    );
    expect(await judge('a = []\nwhile True: a.append(bytearray(1 << 20))')).toBe(Verdict.MEMORY_LIMIT);
    expect(await judge('while True: pass')).toBe(Verdict.TIME_LIMIT);
    // Every slot's programs are this one user's: a bomb in one must not take the processes of another.
    const bomb = judge('import os\nwhile True:\n    try: os.fork()\n    except OSError: pass');
    for (const name of ['a', 'b', 'c']) {
      const source = `import os\nif os.fork() == 0: os._exit(0)\nos.wait()\nprint("ok")  # ${name}`;
      expect(await judge(source)).toBe(Verdict.ACCEPTED);
    }
    expect(await bomb).toBe(Verdict.TIME_LIMIT);
    expect(await judge('console.log("ok")', 'javascript')).toBe(Verdict.ACCEPTED);
    expect(await judge('const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1));', 'javascript')).not.toBe(
      Verdict.TIME_LIMIT,
    );
    // Supervisors and zygotes alone.
    expect(descendants(room.pid)).toHaveLength(2 * slotPids(room.pid).length);
    expect(room.stderr()).not.toContain('of the judge');
    close();
    room.child.kill('SIGTERM');
    expect(await room.ended).toBe(0);
  });
});
