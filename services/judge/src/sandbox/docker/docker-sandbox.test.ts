import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { IsolationTier, Verdict } from '@backsight/contract/judge';
import { readSettings } from '@backsight/rpc';
import { judgeProgram, printing } from '../../trials/judge-program.js';
import { trialLimits } from '../../trials/trial.js';
import { itIn, testUsers } from '../real-sandbox.js';
import type { RunLimits, Sandbox } from '../sandbox.js';
import { whyNoDocker } from './docker-candidate.js';
import { clientOf } from './daemon.js';
import { openDockerSandbox } from './docker-sandbox.js';
import { clearAway, containersOf, labelsOf } from './janitor.js';
import { nameProcess } from '../owner.js';
import { daemonOf, dockerSettings } from './settings.js';

// A container takes a while on a busy machine.
jest.setTimeout(120_000);
const settings = readSettings(process.env, dockerSettings);
const missing = whyNoDocker(settings);
const where = missing === undefined ? describe : describe.skip;
const daemon = daemonOf(settings);
const docker = clientOf(daemon.socket);

const open = (
  oneShot = false,
  rest: Partial<typeof daemon> & {
    languages?: readonly string[];
    onComplaint?: (line: string) => void;
  } = {},
) =>
  openDockerSandbox({
    ...daemon,
    languages: undefined,
    onComplaint: () => undefined,
    ...rest,
    slots: 1,
    oneShot,
    firstUser: testUsers.first,
    users: testUsers.count,
  });

/** Its verdict on a program that is to print what it reads, `7`. */
async function verdictOn(
  sandbox: Sandbox,
  source: string,
  limits?: Partial<RunLimits> & { language?: string },
): Promise<Verdict> {
  const { verdict } = await judgeProgram(sandbox, source, [printing('7', '7')], limits);
  return verdict;
}

const echo = 'print(input())';
const own = async (): Promise<readonly string[]> => containersOf(docker, await nameProcess());
/** Waits until it holds, ten seconds at most. */
async function eventually(holds: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

/** The daemon at another address, over TCP or as one to which this machine's pipes have other names; and its end. */
async function standBefore(
  socket: string,
  remote: boolean,
): Promise<readonly [address: string, stop: () => Promise<void>]> {
  const folder = await mkdtemp(join(tmpdir(), 'backsight-daemon-'));
  const path = join(folder, 'docker.sock');
  const open = new Set<Socket>();
  const server = createServer((caller) => {
    const behind = createConnection(socket.replace(/^unix:\/\//, ''));
    for (const end of [caller, behind]) {
      open.add(end);
      end.on('error', () => undefined);
    }
    caller.on('data', (piece: Buffer) => {
      const renamed = piece.toString('latin1').replaceAll('backsight-pipes', 'backsight-other');
      behind.write(remote ? piece : Buffer.from(renamed, 'latin1'));
    });
    caller.on('end', () => behind.end());
    behind.pipe(caller);
  });
  await new Promise<void>((resolve) => {
    if (remote) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  const address = server.address();
  return [
    typeof address === 'object' ? `tcp://127.0.0.1:${address?.port ?? 0}` : path,
    async () => {
      server.close();
      for (const end of open) end.destroy();
      await rm(folder, { recursive: true });
    },
  ];
}

where(`openDockerSandbox${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await open();
  });
  afterAll(async () => {
    await sandbox.close();
    expect(await own()).toEqual([]);
  });

  it('says what it is', () => {
    expect(sandbox).toMatchObject({ name: 'docker', tier: IsolationTier.CONTAINER, capacity: 1 });
    expect(sandbox.languages.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['python', 'javascript']),
    );
  });

  it('runs one submission after another in the same container, until one breaks a limit', async () => {
    const before = await own();
    expect(before).toHaveLength(2); // one for the slot, one to spare
    for (let time = 0; time < 3; time++) expect(await verdictOn(sandbox, echo)).toBe(Verdict.ACCEPTED);
    expect([...(await own())].sort()).toEqual([...before].sort());
    expect(await verdictOn(sandbox, 'while True: pass')).toBe(Verdict.TIME_LIMIT);
    // At once, in the one that was to spare, while another is made.
    expect(await verdictOn(sandbox, echo)).toBe(Verdict.ACCEPTED);
    const replaced = async (): Promise<boolean> => {
      const now = await own();
      return now.length === 2 && now.filter((id) => before.includes(id)).length === 1;
    };
    expect(await eventually(replaced)).toBe(true);
  });

  it('tells of containers that nobody has a use for, and of none that it uses', async () => {
    expect(await sandbox.leftovers?.()).toEqual([]);
    const running = verdictOn(sandbox, `import time\ntime.sleep(0.5)\n${echo}`);
    const stray = await docker.createContainer({
      Image: daemon.image,
      Cmd: ['/usr/bin/python3'],
      Labels: { ...labelsOf(await nameProcess()) },
    });
    try {
      expect(await sandbox.leftovers?.()).toEqual([`container ${stray.id}`]);
    } finally {
      await stray.remove({ force: true });
    }
    expect(await running).toBe(Verdict.ACCEPTED);
    expect(await sandbox.leftovers?.()).toEqual([]);
  });

  it.each([
    ['at once, of a daemon that may be on another machine', true, undefined],
    ['after a try, of one that sees other files', false, /daemon: .*bind source path does not exist/],
  ])('sends frames through the daemon: %s', async (_which, remote, complaint) => {
    const complaints: string[] = [];
    const [socket, stop] = await standBefore(daemon.socket, remote);
    try {
      const streams = await open(false, { socket, onComplaint: (line) => complaints.push(line) });
      try {
        expect(await verdictOn(streams, echo)).toBe(Verdict.ACCEPTED);
      } finally {
        await streams.close();
      }
    } finally {
      await stop();
    }
    if (complaint === undefined) expect(complaints).toEqual([]);
    else expect(complaints[0]).toMatch(complaint);
  });

  it('bounds every job by its own limits, in the same container', async () => {
    const takes = (mebibytes: number): string => `x = b'x' * (${mebibytes} << 20)\n${echo}`;
    const MiB = 1 << 20;
    for (const [limit, taken, verdict] of [
      [256, 200, Verdict.ACCEPTED],
      [64, 200, Verdict.MEMORY_LIMIT],
      [512, 400, Verdict.ACCEPTED],
      [128, 400, Verdict.MEMORY_LIMIT],
    ] as const)
      expect([
        limit,
        await verdictOn(sandbox, takes(taken), { memoryBytes: limit * MiB, cpuMs: 2000, wallMs: 20_000 }),
      ]).toEqual([limit, verdict]);
  });

  it('takes input and output far larger than the memory of a program', async () => {
    const large = 'y'.repeat(40 << 20);
    const source = 'import sys\nn = 0\nwhile piece := sys.stdin.read(1 << 16): n += len(piece)\nprint(n)';
    const job = {
      language: 'python',
      source,
      files: [],
      runs: [{ kind: 'stdio' as const, input: Buffer.from(large) }],
      limits: { ...trialLimits, cpuMs: 4000, wallMs: 60_000, memoryBytes: 48 << 20 },
    };
    const { signal } = new AbortController();
    for await (const event of sandbox.execute(job, signal))
      if (event.kind === 'ran')
        expect(event.ending).toMatchObject({ exitCode: 0, stdout: Buffer.from(`${large.length}\n`) });
  });

  itIn('cpp')('compiles with more memory than the program gets', async () => {
    const source = '#include <bits/stdc++.h>\nint main() { int x; std::cin >> x; std::cout << x; }';
    const limits = { language: 'cpp', memoryBytes: 32 << 20, cpuMs: 2000, wallMs: 20_000 };
    expect(await verdictOn(sandbox, source, limits)).toBe(Verdict.ACCEPTED);
    const bomb = '#include <vector>\nint main() { std::vector<char> v(300 << 20, 1); return v[7]; }';
    expect(await verdictOn(sandbox, bomb, limits)).not.toBe(Verdict.ACCEPTED);
  });

  it('takes a container that is killed for a failure, and goes on in another', async () => {
    const running = verdictOn(sandbox, 'import time\ntime.sleep(60)', { wallMs: 60_000 });
    running.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await Promise.all((await own()).map((id) => docker.getContainer(id).kill()));
    await expect(running).rejects.toMatchObject({ name: 'SandboxFailure' });
    expect(await verdictOn(sandbox, echo)).toBe(Verdict.ACCEPTED);
  });

  it('keeps the container of a program that was given up', async () => {
    await verdictOn(sandbox, echo);
    await eventually(async () => (await own()).length === 2);
    const before = await own();
    const gone = new AbortController();
    const job = {
      language: 'python',
      source: 'import time\nif input() == "stay": time.sleep(60)',
      files: [],
      runs: ['leave\n', 'stay\n'].map((text) => ({ kind: 'stdio' as const, input: Buffer.from(text) })),
      limits: { ...trialLimits, wallMs: 60_000 },
    };
    const events = sandbox.execute(job, gone.signal);
    await events.next();
    expect((await events.next()).value).toMatchObject({ kind: 'ran', run: 0 });
    const rest = events.next();
    const aborted = performance.now();
    gone.abort();
    await expect(rest).rejects.toMatchObject({ name: 'AbortError' });
    expect(performance.now() - aborted).toBeLessThan(2000);
    expect(await verdictOn(sandbox, echo)).toBe(Verdict.ACCEPTED);
    expect([...(await own())].sort()).toEqual([...before].sort());
  });

  it('runs a companion beside a program, and hears both', async () => {
    const { signal } = new AbortController();
    const say = async function* (piece: string) {
      yield await Promise.resolve(Buffer.from(piece));
    };
    const play = async (name: string, companion: boolean): Promise<string> => {
      let heard = '';
      const job = {
        language: 'python',
        companion,
        source: "print('hello', input(), flush=True)",
        files: [],
        runs: [{ kind: 'dialogue' as const, incoming: say(`${name}\n`) }],
        limits: trialLimits,
      };
      for await (const event of sandbox.execute(job, signal))
        if (event.kind === 'wrote') heard += Buffer.from(event.piece).toString();
      return heard;
    };
    expect(await Promise.all([play('program', false), play('companion', true)])).toEqual([
      'hello program\n',
      'hello companion\n',
    ]);
  });

  it('serves nothing from an image that lacks what is asked for', async () => {
    await expect(open(false, { languages: ['python', 'java', 'go'] })).rejects.toThrow(
      /^Image \S+ has no java, go: images hold python, cpp, javascript alone, so choose BACKSIGHT_SANDBOX=zygote or bubblewrap for java, go, or leave/,
    );
    await expect(open(false, { image: 'nobody/made-this:1' })).rejects.toThrow(
      /has no image nobody\/made-this:1/,
    );
  });
});

where(`openDockerSandbox, one-shot${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it('gives every submission a container of its own where that is asked for', async () => {
    const strict = await open(true);
    try {
      expect(strict).toMatchObject({ name: 'docker-one-shot' });
      const first = await own();
      expect(first).toHaveLength(2);
      for (let time = 0; time < 2; time++) expect(await verdictOn(strict, echo)).toBe(Verdict.ACCEPTED);
      expect(await eventually(async () => !(await own()).some((id) => first.includes(id)))).toBe(true);
    } finally {
      await strict.close();
    }
  });
});

where(`clearAway${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it('removes the containers of a dead judge, and no other’s', async () => {
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    const dead = await nameProcess(child.pid);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const make = async (owner: string): Promise<string> =>
      (
        await docker.createContainer({
          Image: daemon.image,
          Cmd: ['/usr/bin/python3'],
          Labels: { ...labelsOf(owner) },
        })
      ).id;
    const [left, elsewhere, ours] = [
      await make(dead),
      await make('another.1.2.3'),
      await make(await nameProcess()),
    ];
    const there = async (id: string): Promise<boolean> =>
      docker
        .getContainer(id)
        .inspect()
        .then(
          () => true,
          () => false,
        );
    try {
      await clearAway(docker);
      expect(await Promise.all([left, elsewhere, ours].map(there))).toEqual([false, true, true]);
    } finally {
      for (const id of [left, elsewhere, ours])
        await docker
          .getContainer(id)
          .remove({ force: true })
          .catch(() => undefined);
    }
  });
});
