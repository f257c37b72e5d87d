/** The real sandbox for tests, where this machine has one; and what a sandbox may have left behind. */
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { it } from '@jest/globals';
import { findBubblewrap } from './find-bubblewrap.js';
import { findToolchains } from './find-toolchains.js';
import { usualStore } from './go-library.js';
import { thisMachine } from './machine.js';
import { NoSandbox, type Sandbox } from './sandbox.js';
import { openSlotSandbox } from './slot-sandbox.js';

/** Users of this test process's programs, so that tests side by side can tell theirs apart. */
export const testUsers = { first: 61_200 + 4 * (process.pid % 750), count: 4 };

/** The kinds of sandbox that isolate. */
export type RealKind = 'zygote' | 'bubblewrap';

/** Why this machine has no such sandbox, in one sentence; undefined when it has one. */
export async function whyNoSandbox(kind: RealKind = 'zygote'): Promise<string | undefined> {
  try {
    await (await openRealSandbox({ kind, slots: 1 })).close();
    return undefined;
  } catch (error) {
    if (error instanceof NoSandbox) return error.message;
    throw error;
  }
}

const toolchains = (kind: RealKind) =>
  findToolchains(undefined, undefined, thisMachine, {
    store: usualStore(),
    walked: kind === 'bubblewrap',
  });
const languages = (await toolchains('zygote').catch(() => [])).map(({ name }) => name);

/** `it` for tests in a language; skipped by name where this machine has no toolchain of it. */
export const itIn = (language: string): typeof it.skip => (languages.includes(language) ? it : it.skip);

/** The sandbox; whoever opens it closes it. */
export async function openRealSandbox({
  kind = 'zygote',
  slots = 2,
}: { kind?: RealKind; slots?: number } = {}): Promise<Sandbox> {
  return openSlotSandbox({
    slots,
    isolation: kind,
    ...(kind === 'bubblewrap' ? { bubblewrap: await findBubblewrap() } : {}),
    toolchains: await toolchains(kind),
    firstUser: testUsers.first,
    onComplaint: () => undefined,
  });
}

/** Mounts where a sandbox makes its own, and temporary folders of this process, to compare before and after. */
export async function traces(): Promise<{
  readonly mounts: readonly string[];
  readonly folders: readonly string[];
}> {
  const points = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  const mounts = points.filter((point) => /^\/(?:proc$|tmp$|tmp\/(?:usr|lib|dev|proc|etc)\b)/.test(point));
  const folders = (await readdir(tmpdir())).filter((name) =>
    name.startsWith(`backsight-doctor-${process.pid}-`),
  );
  return { mounts, folders };
}
