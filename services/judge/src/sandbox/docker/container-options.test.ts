import { describe, expect, it } from '@jest/globals';
import type { SandboxJob } from '../sandbox.js';
import { boundsOf, containerOptions, resourcesOf } from './container-options.js';

const MiB = 1 << 20;
const job: SandboxJob = {
  language: 'python',
  source: 'print(1)',
  files: [],
  runs: [{ kind: 'stdio', input: Buffer.alloc(0) }],
  limits: { cpuMs: 1000, wallMs: 5000, memoryBytes: 256 * MiB, outputBytes: 4 * MiB, processes: 32 },
};

describe('boundsOf', () => {
  it('is the limits of the job, and room for the slot', () => {
    expect(boundsOf(job)).toEqual({ memoryBytes: (256 + 20 + 16) * MiB, processes: 36 });
  });

  it('is the same for most jobs, and grows with what the slot carries', () => {
    expect(boundsOf({ ...job, source: 'x'.repeat(100_000) })).toEqual(boundsOf(job));
    const large: SandboxJob = { ...job, runs: [{ kind: 'stdio', input: Buffer.alloc(20 * MiB) }] };
    // Twice 20 MiB of input, and 5 MiB for the output: 45 MiB, in steps of 16.
    expect(boundsOf(large).memoryBytes).toBe((256 + 20 + 48) * MiB);
  });

  it('leaves less to spare than the self-check of the sandbox asks for', () => {
    expect(boundsOf(job).memoryBytes - job.limits.memoryBytes).toBeLessThan(64 * MiB);
  });
});

describe('resourcesOf', () => {
  it('gives no swap', () => {
    const { Memory, MemorySwap } = resourcesOf(boundsOf(job));
    expect(MemorySwap).toBe(Memory);
  });
});

describe('containerOptions', () => {
  const settings = {
    image: 'image',
    command: ['/usr/bin/python3'],
    user: 60_600,
    runtime: undefined,
    labels: { owner: 'me' },
    bounds: boundsOf(job),
    appArmor: false,
    mounts: [],
  };

  it('gives a container nothing but what a slot needs', () => {
    const { HostConfig = {}, ...options } = containerOptions(settings);
    expect(options).toMatchObject({
      User: '60600:60600',
      NetworkDisabled: true,
      Tty: false,
      StdinOnce: true,
    });
    expect(HostConfig).toMatchObject({
      NetworkMode: 'none',
      IpcMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      AutoRemove: true,
      Init: true,
      PidsLimit: 36,
      LogConfig: { Type: 'none' },
    });
    for (const given of [
      'Binds',
      'Mounts',
      'Devices',
      'CapAdd',
      'Privileged',
      'PidMode',
      'VolumesFrom',
      'Runtime',
    ])
      expect(HostConfig).not.toHaveProperty(given);
    const [privileges, filter = '', ...rest] = (HostConfig.SecurityOpt ?? []) as string[];
    expect(privileges).toBe('no-new-privileges');
    expect(JSON.parse(filter.replace(/^seccomp=/, ''))).toMatchObject({
      defaultAction: 'SCMP_ACT_ERRNO',
    });
    expect(rest).toEqual([]);
  });

  it('takes a runtime, and steps out of a profile that lets nobody mount', () => {
    const { HostConfig } = containerOptions({ ...settings, runtime: 'runsc', appArmor: true });
    expect(HostConfig?.Runtime).toBe('runsc');
    expect(HostConfig?.SecurityOpt).toContain('apparmor=unconfined');
  });
});
