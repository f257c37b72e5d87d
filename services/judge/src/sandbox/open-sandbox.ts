/** Opens the sandbox that the settings ask for, and lets no program near one that does not hold. */
import { IsolationTier } from '@backsight/contract/judge';
import type { Logger } from '@backsight/rpc';
import { breachOf, examine } from './doctor.js';
import { findBubblewrap } from './find-bubblewrap.js';
import { findToolchains, type LanguageName } from './find-toolchains.js';
import { NoSandbox, type Sandbox } from './sandbox.js';
import { openSlotSandbox } from './slot-sandbox.js';

/** Which sandbox; `auto` takes the fastest of the strongest, the zygote, and never none. */
export const sandboxChoices = ['auto', 'zygote', 'bubblewrap', 'none'] as const;
export type SandboxChoice = (typeof sandboxChoices)[number];

/** What to open. */
export interface OpenSandboxOptions {
  readonly choice: SandboxChoice;
  /** Programs run side by side. */
  readonly slots: number;
  /** Path of Python; by default the distribution's. */
  readonly python: string | undefined;
  /** By default all whose toolchain is found. */
  readonly languages: readonly LanguageName[] | undefined;
  readonly logger: Logger;
}

/** Starts the sandbox and examines it. Throws NoSandbox, with one sentence, when nothing isolates or an attack gets through. */
export async function openSandbox(options: OpenSandboxOptions): Promise<Sandbox> {
  const { choice, slots, python, languages, logger } = options;
  const sandbox = await openSlotSandbox({
    slots,
    isolation: choice === 'auto' ? 'zygote' : choice,
    ...(choice === 'bubblewrap' ? { bubblewrap: await findBubblewrap() } : {}),
    toolchains: await findToolchains(languages, python),
    onComplaint: (line) => {
      logger.warn({ line }, 'a sandbox slot complains');
    },
  });
  if (sandbox.tier === IsolationTier.NONE) {
    logger.warn('--sandbox=none: programs run as ordinary processes of this user and can do all that it can');
    return sandbox;
  }
  try {
    const { signal } = new AbortController();
    for (const { name } of sandbox.languages) {
      const breach = breachOf(await examine(sandbox, name, signal));
      if (breach !== undefined) throw new NoSandbox(breach);
    }
  } catch (error) {
    await sandbox.close();
    throw error;
  }
  return sandbox;
}
