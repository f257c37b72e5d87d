import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readlinkSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { leftGroups, slotPids } from './leftovers.js';
import { openRealSandbox, whyNoSandbox } from './real-sandbox.js';

const missing = process.getuid?.() === 0 ? await whyNoSandbox() : 'it needs root';
const where = missing === undefined ? describe : describe.skip;
/** No process namespace has this number: they begin far above. */
const gone = 7;

where(`control groups that dead slots leave${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it('are cleared away by the next slot, unless they are in use, locked, new, or nobody of ours made them', async () => {
    const first = await openRealSandbox({ slots: 1 });
    const parents = [...new Set((await leftGroups(slotPids())).map((path) => dirname(path)))];
    await first.close();
    expect(parents.length).toBeGreaterThan(0);
    const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '';
    const names = {
      dead: `backsight-judge.${namespace}.${process.pid}.1`,
      abandoned: `backsight-judge.${gone}.${process.pid}.1`,
      used: `backsight-judge.${gone}.${process.pid}.2`,
      locked: `backsight-judge.${gone}.${process.pid}.3`,
      young: `backsight-judge.${gone}.${process.pid}.4`,
      strange: `somebody.${gone}.${process.pid}.1`,
    };
    const [parent = ''] = parents;
    const paths = Object.values(names).map((name) => join(parent, name));
    const [, abandoned = '', used = '', locked = '', young = '', strange = ''] = paths;
    for (const path of paths) mkdirSync(path);
    const user = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    const holder = spawn('sh', ['-c', 'exec 9<"$0" && flock --shared 9 && echo && exec sleep 60', locked], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      for (const path of [abandoned, used, locked, strange]) utimesSync(path, 0, 0);
      writeFileSync(join(used, 'cgroup.procs'), String(user.pid));
      await new Promise((resolve) => holder.stdout.once('data', resolve));
      await (await openRealSandbox({ slots: 1 })).close();
      expect(paths.filter((path) => existsSync(path))).toEqual([used, locked, young, strange]);
    } finally {
      for (const child of [user, holder]) {
        const ended = new Promise((resolve) => child.once('close', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      for (const path of paths.filter((each) => existsSync(each))) rmdirSync(path);
    }
  });
});
