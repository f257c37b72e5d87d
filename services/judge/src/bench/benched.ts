/** A sandbox on the bench: what can be told of it from outside, and what it leaves. */
import { clientOf } from '../sandbox/docker/daemon.js';
import { containersOf } from '../sandbox/docker/janitor.js';
import { nameProcess } from '../sandbox/owner.js';
import { leftGroups, slotPids } from '../sandbox/leftovers.js';
import type { SandboxKind } from '../sandbox/open-sandbox.js';
import { NoSandbox, type Sandbox } from '../sandbox/sandbox.js';

/** A sandbox, and what can be seen of it from outside. */
export interface Benched {
  readonly kind: SandboxKind;
  readonly sandbox: Sandbox;
  /** Whether what it runs is below this process, and so its CPU time can be told. */
  readonly isBelow: boolean;
  /** What is left of it once it is closed; must be empty. */
  readonly remains: () => Promise<readonly string[]>;
}

/** How to open one. */
export interface OpenBenchedOptions {
  /** Throws NoSandbox where there is none. */
  readonly open: (kind: SandboxKind) => Promise<Sandbox>;
  /** Where the Docker daemon is. */
  readonly daemon: string;
}

/** Opens one; why not, where this machine has none. */
export async function openBenched(
  kind: SandboxKind,
  { open, daemon }: OpenBenchedOptions,
): Promise<Benched | string> {
  try {
    const before = slotPids();
    const sandbox = await open(kind);
    const slots = slotPids().filter((pid) => !before.includes(pid));
    switch (kind) {
      case 'docker':
      case 'docker-one-shot':
        return { kind, sandbox, isBelow: false, remains: () => containersLeft(daemon) };
      case 'kubernetes':
        return { kind, sandbox, isBelow: false, remains: () => Promise.resolve([]) };
      case 'zygote':
      case 'bubblewrap':
      case 'none':
        return { kind, sandbox, isBelow: true, remains: () => slotsLeft(slots) };
    }
  } catch (error) {
    if (error instanceof NoSandbox) return error.message;
    throw error;
  }
}

async function containersLeft(daemon: string): Promise<readonly string[]> {
  return (await containersOf(clientOf(daemon), await nameProcess())).map((id) => `container ${id}`);
}

async function slotsLeft(slots: readonly number[]): Promise<readonly string[]> {
  const alive = slotPids().filter((pid) => slots.includes(pid));
  return [...alive.map((pid) => `slot ${pid}`), ...(await leftGroups(slots))];
}
