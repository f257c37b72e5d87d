/** Opens the sandbox that the settings ask for, and lets no program near one that does not hold. */
import { IsolationTier } from '@backsight/contract/judge';
import type { Logger } from '@backsight/rpc';
import { breachOf, examine } from './doctor.js';
import { NoSandbox, type Sandbox } from './sandbox.js';
import { openZygoteSandbox } from './zygote-sandbox.js';

/** Which sandbox; `auto` takes the strongest there is, and never none. */
export const sandboxChoices = ['auto', 'zygote', 'none'] as const;
export type SandboxChoice = (typeof sandboxChoices)[number];

/** What to open. */
export interface OpenSandboxOptions {
  readonly choice: SandboxChoice;
  /** Programs run side by side. */
  readonly slots: number;
  /** Path of the interpreter; by default the distribution's. */
  readonly python: string | undefined;
  readonly logger: Logger;
}

/** Starts the sandbox and examines it. Throws NoSandbox, with one sentence, when nothing isolates or an attack gets through. */
export async function openSandbox({ choice, slots, python, logger }: OpenSandboxOptions): Promise<Sandbox> {
  const sandbox = await openZygoteSandbox({
    slots,
    isolation: choice === 'none' ? 'none' : 'zygote',
    python,
    onComplaint: (line) => {
      logger.warn({ line }, 'a sandbox slot complains');
    },
  });
  if (sandbox.tier === IsolationTier.NONE) {
    logger.warn('--sandbox=none: programs run as ordinary processes of this user and can do all that it can');
    return sandbox;
  }
  try {
    const breach = breachOf(await examine(sandbox, new AbortController().signal));
    if (breach !== undefined) throw new NoSandbox(breach);
  } catch (error) {
    await sandbox.close();
    throw error;
  }
  return sandbox;
}
