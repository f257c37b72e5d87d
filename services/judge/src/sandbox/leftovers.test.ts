import { spawn } from 'node:child_process';
import { mkdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findStrays } from './leftovers.js';
import { testUsers } from './real-sandbox.js';

/** Among the users that tests give to programs, one that no sandbox of this process uses. */
const user = testUsers.first + testUsers.count - 1;
const root = process.getuid?.() === 0;

describe('findStrays', () => {
  it('finds folders of slots that are dead, and none of those that live or that it cannot see', async () => {
    const namespace = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? '';
    const stat = await readFile('/proc/self/stat', 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const names = {
      live: `backsight-judge.${namespace}.${process.pid}.${started}`,
      dead: `backsight-judge.${namespace}.${process.pid}.1`,
      elsewhere: `backsight-judge.1.${process.pid}.1`,
    };
    const folders = Object.values(names).map((name) => join(tmpdir(), name));
    try {
      for (const folder of folders) await mkdir(folder);
      const strays = (await findStrays(user, 1)).filter((each) =>
        folders.some((folder) => each.includes(folder)),
      );
      expect(strays).toEqual([`folder ${join(tmpdir(), names.dead)}`]);
    } finally {
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    }
  });

  (root ? it : it.skip)('finds a process of a program that no slot watches (needs root)', async () => {
    const stray = spawn('/bin/sleep', ['60'], { uid: user, gid: user, stdio: 'ignore' });
    const ended = new Promise((resolve) => stray.once('close', resolve));
    const processes = async () => (await findStrays(user, 1)).filter((each) => each.startsWith('process'));
    try {
      await new Promise((resolve) => stray.once('spawn', resolve));
      expect(await processes()).toEqual([`process ${stray.pid ?? 0} sleep`]);
    } finally {
      stray.kill('SIGKILL');
      await ended;
    }
    expect(await processes()).toEqual([]);
  });
});
