/** Makes the image that the docker sandbox runs programs in, from files of this machine; no registry is asked. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { reasonOf } from '../sandbox/docker/daemon.js';
import type { SandboxImage } from '../sandbox/docker/image.js';
import type { Toolchain } from '../sandbox/find-toolchains.js';
import { layOut } from './image-tree.js';

/** Makes it and gives it to the daemon under this name, `repository:tag`; what it says of itself. */
export async function makeImage(
  docker: Docker,
  name: string,
  toolchains: readonly Toolchain[],
): Promise<SandboxImage> {
  const folder = await mkdtemp(join(tmpdir(), 'backsight-image-'));
  const packing = new AbortController();
  try {
    const image = await layOut(folder, toolchains);
    const [, repository = name, tag = 'latest'] = /^(.*?)(?::([^:/]+))?$/.exec(name) ?? [];
    // Root's, whoever makes it.
    const tar = spawn(
      'tar',
      ['--create', '--owner=0', '--group=0', '--numeric-owner', `--directory=${folder}`, '.'],
      { stdio: ['ignore', 'pipe', 'inherit'], signal: packing.signal },
    );
    const packed = new Promise<number | null>((done) => {
      tar.once('close', done);
      tar.once('error', () => {
        done(null);
      });
    });
    const progress = await docker
      .importImage(tar.stdout, { repo: repository, tag })
      .catch((error: unknown) => {
        throw new Error(`the daemon does not take the image: ${reasonOf(error)}`, { cause: error });
      });
    for await (const said of progress)
      if (String(said).includes('"error"'))
        throw new Error(`the daemon does not take the image: ${String(said)}`);
    if ((await packed) !== 0) throw new Error('tar could not pack the image');
    return image;
  } finally {
    packing.abort(); // a daemon that refuses reads no further, and tar would wait for it
    await rm(folder, { recursive: true, force: true });
  }
}
