import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { clientOf } from '../sandbox/docker/daemon.js';
import { findToolchains } from '../sandbox/find-toolchains.js';
import { makeImage } from './make-image.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-make-image-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Names of this process's children. */
async function children(): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'comm=', '--ppid', String(process.pid)]);
  return stdout;
}

describe('makeImage', () => {
  it('leaves no process behind when the daemon is not there', async () => {
    const python = (await findToolchains(['python'], undefined)).slice(0, 1);
    const nowhere = clientOf(join(folder, 'none.sock'));
    await expect(makeImage(nowhere, 'x:1', python)).rejects.toThrow(
      'the daemon does not take the image: ENOENT',
    );
    for (let i = 0; i < 100 && (await children()).includes('tar'); i++) await delay(20);
    expect(await children()).not.toContain('tar');
  });
});
