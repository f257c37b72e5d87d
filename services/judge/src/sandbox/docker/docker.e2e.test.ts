import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { IsolationTier, JudgeServiceDefinition } from '@backsight/contract/judge';
import { connect, readSettings } from '@backsight/rpc';
import { clientOf } from './daemon.js';
import { whyNoDocker } from './docker-candidate.js';
import { clearAway, containersOf } from './janitor.js';
import { findLostPipes } from './pipes.js';
import { nameProcess } from '../owner.js';
import { daemonOf, dockerSettings } from './settings.js';

const main = join(import.meta.dirname, '../../../dist/main.js');
const settings = readSettings(process.env, dockerSettings);
const missing = whyNoDocker(settings);
const where = missing === undefined ? describe : describe.skip;
const { socket, image } = daemonOf(settings);
const docker = clientOf(socket);

interface Top {
  readonly Processes: readonly unknown[];
}

interface Room {
  readonly child: ChildProcess;
  readonly address: string;
  /** As its containers are labelled. */
  readonly owner: string;
  readonly ended: Promise<unknown>;
}

let rooms: Room[] = [];
afterEach(async () => {
  for (const { child } of rooms) child.kill('SIGKILL');
  await Promise.all(rooms.map(({ ended }) => ended));
  rooms = [];
  // What a killed judge leaves, the next one clears away: after the last there is none.
  if (missing === undefined) await clearAway(docker);
  expect(await findLostPipes()).toEqual([]);
});

/** The judge as a process, which is told of the daemon and nothing else. */
async function start(): Promise<Room> {
  const child = spawn(process.execPath, [main], {
    env: {
      BACKSIGHT_JUDGE_ADDRESS: '127.0.0.1:0',
      BACKSIGHT_JUDGE_SLOTS: '2',
      BACKSIGHT_JUDGE_LANGUAGES: 'python',
      BACKSIGHT_DOCKER_SOCKET: socket,
      BACKSIGHT_DOCKER_IMAGE: image,
      SECRET: 'of the judge',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise((resolve) =>
    child.once('close', (code, signal) => {
      resolve(signal ?? code);
    }),
  );
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
  const room = { child, address, owner: await nameProcess(child.pid), ended };
  rooms.push(room);
  return room;
}

const until = async (condition: () => Promise<boolean>): Promise<void> => {
  for (let left = 200; !(await condition()); left--) {
    if (left === 0) throw new Error('it never came to that');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

/** Has a program sleep in every slot; waits until they run. */
async function sleepers({ address, owner }: Room) {
  const { client, close } = connect(JudgeServiceDefinition, address, { retry: false });
  const running = [1, 2].map((each) =>
    client
      .execute({
        program: { language: 'python', source: `import os, time\nos.fork()\ntime.sleep(60)  # ${each}` },
        limits: { wallTime: { seconds: 60, nanos: 0 } },
      })
      .catch((error: unknown) => error),
  );
  // A container's init, supervisor and zygote; where a program runs a warden, the program and its child.
  const processes = async (): Promise<number> => {
    const ids = await containersOf(docker, owner);
    const tops = await Promise.all(
      ids.map(
        (id) =>
          docker
            .getContainer(id)
            .top()
            .catch(() => undefined) as Promise<Top | undefined>,
      ),
    );
    return tops.reduce((sum, top) => sum + (top?.Processes.length ?? 0), 0);
  };
  await until(async () => (await processes()) === 3 * 3 + 2 * 3);
  return { close, running };
}

where(`the judge with containers${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it('is what a named daemon comes to, says so, and leaves no container when it drains', async () => {
    const room = await start();
    const { client, close } = connect(JudgeServiceDefinition, room.address);
    expect(await client.describe({})).toMatchObject({
      sandbox: 'docker',
      isolation: IsolationTier.CONTAINER,
      capacity: 2,
    });
    const { stdout } = await client.execute({
      program: { language: 'python', source: 'import os\nprint(sorted(os.environ))' },
    });
    expect(Buffer.from(stdout).toString()).toBe("['HOME', 'LANG', 'PATH', 'PYTHONHASHSEED', 'TZ']\n");
    close();
    room.child.kill('SIGTERM');
    expect(await room.ended).toBe(0);
    expect(await containersOf(docker, room.owner)).toEqual([]);
  }, 60_000);

  it('leaves no container when it is killed under load, and serves again at once', async () => {
    const room = await start();
    const { close, running } = await sleepers(room);
    room.child.kill('SIGKILL');
    await until(async () => (await containersOf(docker, room.owner)).length === 0);
    for (const end of await Promise.all(running)) expect(end).toBeInstanceOf(Error);
    close();
    const again = await start();
    const { client, close: closeAgain } = connect(JudgeServiceDefinition, again.address);
    const { stdout } = await client.execute({ program: { language: 'python', source: 'print("back")' } });
    expect(Buffer.from(stdout).toString()).toBe('back\n');
    closeAgain();
  }, 60_000);
});
