/** Opens the sandbox that the settings ask for, and lets no program near one that does not hold. */
import { IsolationTier } from '@backsight/contract/judge';
import type { Logger } from '@backsight/rpc';
import { openDockerSandbox } from './docker/docker-sandbox.js';
import type { NamedDaemon } from './docker/settings.js';
import { breachOf, examine } from './doctor.js';
import { findBubblewrap } from './find-bubblewrap.js';
import type { Places } from './find-compiler.js';
import { findToolchains, type LanguageName } from './find-toolchains.js';
import { openKubernetesSandbox } from './kubernetes/kubernetes-sandbox.js';
import { clusterOf, type NamedCluster } from './kubernetes/settings.js';
import { thisMachine } from './machine.js';
import { NoSandbox, type Sandbox } from './sandbox.js';
import { openSlotSandbox, type SlotSandboxOptions } from './slot-sandbox.js';

/** The kinds of sandbox; `none` is one in name only. */
export const sandboxKinds = [
  'docker',
  'docker-one-shot',
  'kubernetes',
  'zygote',
  'bubblewrap',
  'none',
] as const;
export type SandboxKind = (typeof sandboxKinds)[number];

/**
 * Which sandbox; `auto` takes Docker's where a daemon is named, and no other then; otherwise the fastest of the strongest
 * that this machine has by itself; never pods, and never none.
 */
export const sandboxChoices = ['auto', ...sandboxKinds] as const;
export type SandboxChoice = (typeof sandboxChoices)[number];

/** Those that ask nobody, in the order in which `auto` tries them. */
export const isolatingKinds = ['zygote', 'bubblewrap'] as const satisfies readonly SandboxKind[];

/** What to open. */
export interface OpenSandboxOptions {
  readonly choice: SandboxChoice;
  /** Programs run side by side. */
  readonly slots: number;
  /** Path of Python; by default the distribution's. */
  readonly python: string | undefined;
  /** By default all whose toolchain is found. */
  readonly languages: readonly LanguageName[] | undefined;
  readonly docker: NamedDaemon;
  readonly kubernetes: NamedCluster;
  /** Where to look for compilers, beside the usual places. */
  readonly places?: Places;
  readonly logger: Logger;
}

/** Starts the sandbox and examines it. Throws NoSandbox, with one sentence, when nothing isolates or an attack gets through. */
export async function openSandbox(options: OpenSandboxOptions): Promise<Sandbox> {
  const { choice, docker, logger } = options;
  const open = opener(options);
  const sandbox = await openFirst(open, kindsToTry(choice, docker.named));
  if (sandbox.tier === IsolationTier.NONE) {
    logger.warn('--sandbox=none: programs run as ordinary processes of this user and can do all that it can');
    return sandbox;
  }
  try {
    await examineAll(sandbox);
  } catch (error) {
    await sandbox.close();
    throw error;
  }
  return sandbox;
}

/** Attacks what the programs of each language see, side by side. Throws NoSandbox when an attack gets through. */
async function examineAll(sandbox: Sandbox): Promise<void> {
  const left = [...sandbox.languages];
  const stop = new AbortController();
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const breach = breachOf(await examine(sandbox, next.name, stop.signal));
      if (breach !== undefined) throw new NoSandbox(breach);
    }
  };
  const workers = Array.from({ length: sandbox.capacity }, work);
  try {
    await Promise.all(workers);
  } finally {
    stop.abort();
    await Promise.allSettled(workers);
  }
}

/** Opens sandboxes of any kind, which nobody has examined yet. They throw NoSandbox where there is none. */
export function opener(options: Omit<OpenSandboxOptions, 'choice'>): (kind: SandboxKind) => Promise<Sandbox> {
  const { slots, python, languages, places = {}, logger } = options;
  const onComplaint = (line: string): void => {
    logger.warn({ line }, 'a sandbox slot complains');
  };
  return async (kind) => {
    if (kind === 'docker' || kind === 'docker-one-shot') {
      const oneShot = kind === 'docker-one-shot';
      return openDockerSandbox({ ...options.docker, slots, oneShot, languages, onComplaint });
    }
    if (kind === 'kubernetes')
      return openKubernetesSandbox({
        ...(await clusterOf(options.kubernetes)),
        slots,
        languages,
        onComplaint,
      });
    const walked = kind === 'bubblewrap';
    const toolchains = await findToolchains(languages, python, thisMachine, { ...places, walked });
    return openKind(kind, { slots, toolchains, onComplaint });
  };
}

async function openKind(
  kind: Exclude<SandboxKind, 'docker' | 'docker-one-shot' | 'kubernetes'>,
  options: Pick<SlotSandboxOptions, 'slots' | 'toolchains' | 'onComplaint'>,
): Promise<Sandbox> {
  switch (kind) {
    case 'zygote':
    case 'none':
      return openSlotSandbox({ ...options, isolation: kind });
    case 'bubblewrap':
      return openSlotSandbox({ ...options, isolation: kind, bubblewrap: await findBubblewrap() });
  }
}

/** The kinds that a choice stands for, the first of which that there is gets opened. */
export function kindsToTry(choice: SandboxChoice, daemonIsNamed: boolean): readonly SandboxKind[] {
  if (choice !== 'auto') return [choice];
  return daemonIsNamed ? ['docker'] : isolatingKinds;
}

/** Opens the first of these kinds that there is; where there is none, says why there is not the first of them. */
export async function openFirst(
  open: (kind: SandboxKind) => Promise<Sandbox>,
  kinds: readonly SandboxKind[] = isolatingKinds,
): Promise<Sandbox> {
  const refusals: NoSandbox[] = [];
  for (const kind of kinds) {
    try {
      return await open(kind);
    } catch (error) {
      if (!(error instanceof NoSandbox)) throw error;
      refusals.push(error);
    }
  }
  throw refusals[0] ?? new NoSandbox('There is no kind of sandbox that isolates.');
}
