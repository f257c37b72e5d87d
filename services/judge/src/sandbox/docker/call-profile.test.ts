import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { callProfile, ordinaryCalls, slotCalls } from './call-profile.js';

const allowed = Object.values(ordinaryCalls).flat();

describe('callProfile', () => {
  it('allows what it names, once, and refuses everything else', () => {
    expect(callProfile.defaultAction).toBe('SCMP_ACT_ERRNO');
    const named = callProfile.syscalls.flatMap(({ names }) => names);
    expect(new Set(named).size).toBe(named.length);
    expect(named).toEqual(expect.arrayContaining([...allowed, ...slotCalls]));
  });

  it('lets nobody but the slot make a call that the filter of a sandbox denies', async () => {
    const filter = await readFile(resolve(import.meta.dirname, '../../../python/seccomp.py'), 'utf8');
    const table = /^DENIED.*?^}/ms.exec(filter)?.[0] ?? '';
    const denied = [...table.matchAll(/^ {4}"(\w+)":/gm)].map(([, name]) => name);
    expect(denied.length).toBeGreaterThan(60);
    expect(denied.filter((name) => allowed.includes(name ?? ''))).toEqual([]);
    expect(denied).toEqual(expect.arrayContaining([...slotCalls]));
  });

  it('knows no socket, no other process’s memory, no kernel of its own', () => {
    for (const name of [
      'socket',
      'connect',
      'bind',
      'ptrace',
      'process_vm_readv',
      'io_uring_setup',
      'bpf',
      'keyctl',
    ])
      expect([...allowed, ...slotCalls]).not.toContain(name);
  });
});
