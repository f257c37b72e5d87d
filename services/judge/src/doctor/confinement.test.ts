import { describe, expect, it } from '@jest/globals';
import { readConfinement, readMounts } from './confinement.js';

const line = (point: string, kind: string) => `24 1 0:21 / ${point} rw,relatime shared:2 - ${kind} none rw`;

describe('readMounts', () => {
  it.each([
    [['cgroup'], 'v1'],
    [['cgroup2'], 'v2'],
    [['cgroup', 'cgroup2'], 'hybrid'],
    [['tmpfs'], 'none'],
  ] as const)('knows by the mounts %j that control groups are %s', (kinds, version) => {
    const mountinfo = kinds.map((kind, index) => line(`/sys/fs/cgroup/${index}`, kind)).join('\n');
    expect(readMounts(`${mountinfo}\n`).controlGroups).toBe(version);
  });

  it("finds what masks /proc, and knows systemd's mount from a mask", () => {
    const mountinfo = [
      line('/proc', 'proc'),
      line('/proc/kcore', 'tmpfs'),
      line('/proc/sys', 'proc'),
      line('/proc/sys/fs/binfmt_misc', 'autofs'),
      line('/process', 'tmpfs'),
    ].join('\n');
    expect(readMounts(mountinfo).maskedProc).toEqual(['/proc/kcore', '/proc/sys']);
  });
});

describe('readConfinement', () => {
  it('reads what this process is', async () => {
    expect(await readConfinement()).toMatchObject({
      user: process.geteuid?.(),
      administers: expect.any(Boolean),
      filtered: expect.any(Boolean),
    });
  });
});
