/** Two named pipes of this machine through which the judge and a slot in a container talk, past the daemon. */
import { execFile } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { isDead, nameProcess } from '../owner.js';

const run = promisify(execFile);
/** Followed by the judge's name and what makes it the only one. */
const prefix = 'backsight-pipes.';

/** Both pipes, open on this side. */
export interface Pipes {
  readonly requests: Writable;
  readonly answers: Readable;
  /** How they get into the container: to where python/container.py looks for them. */
  readonly mounts: Docker.MountConfig;
  /** Takes their names away, once the slot has opened them: nobody else can any more. */
  unlink(): Promise<void>;
  /** Hangs up. */
  close(): void;
}

/** Makes them. Throws where this machine has no `mkfifo`. */
export async function makePipes(): Promise<Pipes> {
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${await nameProcess()}.`));
  const unlink = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const paths = { requests: join(folder, 'requests'), answers: join(folder, 'answers') };
    // Open to all users, in a folder that none but this one may enter: the container's is another.
    await run('mkfifo', ['--mode=666', paths.requests, paths.answers]);
    const sending = new Socket({ fd: openBothWays(paths.requests), readable: false, writable: true });
    const receiving = new Socket({ fd: openBothWays(paths.answers), readable: true, writable: false });
    for (const end of [sending, receiving]) end.on('error', () => undefined); // what ends them is told by the container
    return {
      requests: sending,
      answers: receiving,
      mounts: [mountOf(paths.requests, 'requests'), mountOf(paths.answers, 'answers')],
      unlink,
      close: () => {
        sending.destroy();
        receiving.destroy();
      },
    };
  } catch (error) {
    await unlink();
    throw error;
  }
}

/** Folders of pipes whose judge died before its slot had opened them. */
export async function findLostPipes(parent = tmpdir()): Promise<readonly string[]> {
  const names = (await readdir(parent).catch(() => [])).filter((name) => name.startsWith(prefix));
  const lost: string[] = [];
  for (const name of names)
    if (await isDead(name.slice(prefix.length, name.lastIndexOf('.')))) lost.push(join(parent, name));
  return lost;
}

/** One end alone could not be opened before the slot has the other, or would be at its end at once. */
function openBothWays(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

function mountOf(source: string, name: string): Docker.MountSettings {
  return { Type: 'bind', Source: source, Target: `/judge/${name}`, ReadOnly: true };
}
