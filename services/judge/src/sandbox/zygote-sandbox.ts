/** The sandbox of this machine alone: slots whose programs are cloned from a warmed-up Python (python/slot.py). */
import { IsolationTier } from '@backsight/contract/judge';
import { findPython } from './find-python.js';
import { type Sandbox, type SandboxEvent, SandboxFailure, type SandboxJob } from './sandbox.js';
import { SlotProcess, type SlotTier } from './slot-process.js';

/** How to open it. */
export interface ZygoteOptions {
  /** Programs run side by side. */
  readonly slots: number;
  /** `none` runs programs as ordinary processes of this user: for trusted programs only. */
  readonly isolation: 'zygote' | 'none';
  /** Path of the interpreter; by default the distribution's. */
  readonly python?: string | undefined;
  /** The host's user that the first slot's programs become where the judge is root, the next one's one more. */
  readonly firstUser?: number;
  /** Gets what the slots complain of. */
  readonly onComplaint: (line: string) => void;
}

/** A range that neither Debian nor systemd hands out. */
const unassignedUser = 60_600;

const tiers: Readonly<Record<SlotTier, IsolationTier>> = {
  'control-groups': IsolationTier.CONTROL_GROUPS,
  namespaces: IsolationTier.NAMESPACES,
  none: IsolationTier.NONE,
};

/** Starts the slots. Throws NoSandbox, with one sentence, where there is no Python or nothing isolates. */
export async function openZygoteSandbox(options: ZygoteOptions): Promise<Sandbox> {
  const { slots, isolation, onComplaint, firstUser = unassignedUser } = options;
  const python = await findPython(options.python);
  const startSlot = (index: number): Promise<SlotProcess> =>
    SlotProcess.start({ python: python.path, isolation, user: firstUser + index, onComplaint });

  // The first one alone: it may have to make room in the hierarchy of control groups.
  const first = await startSlot(0);
  const idle: Slot[] = [{ index: 0, process: first }];
  const rest = await Promise.allSettled(
    Array.from({ length: slots - 1 }, async (_, index) => ({
      index: index + 1,
      process: await startSlot(index + 1),
    })),
  );
  for (const started of rest) if (started.status === 'fulfilled') idle.push(started.value);
  const failed = rest.find((started) => started.status === 'rejected');
  const odd = idle.find(({ process }) => process.tier !== first.tier);
  if (failed !== undefined || odd !== undefined) {
    await Promise.all(idle.map(({ process }) => process.close()));
    throw failed?.reason ?? new SandboxFailure(`only some of the ${slots} slots have ${first.tier}`);
  }

  const all = new Set(idle);
  let closed = false;
  const restart = async (index: number): Promise<SlotProcess> => {
    const process = await startSlot(index).catch((error: unknown) => {
      throw new SandboxFailure('a sandbox slot could not be started again', { cause: error });
    });
    if (process.tier === first.tier) return process;
    await process.close();
    throw new SandboxFailure(`a sandbox slot came back with ${process.tier} instead of ${first.tier}`);
  };
  return {
    name: isolation,
    tier: tiers[first.tier],
    languages: [{ name: 'python', version: python.version }],
    capacity: slots,

    async *execute(job: SandboxJob, signal: AbortSignal): AsyncGenerator<SandboxEvent, void, void> {
      const slot = idle.pop();
      if (slot === undefined) throw new SandboxFailure('every slot of the sandbox is taken');
      try {
        if (closed) throw new SandboxFailure('the sandbox is closed');
        if (!slot.process.usable) slot.process = await restart(slot.index);
        yield* slot.process.execute(job, signal);
      } finally {
        idle.push(slot);
      }
    },

    async close() {
      closed = true;
      await Promise.all([...all].map(({ process }) => process.close()));
    },
  };
}

interface Slot {
  readonly index: number;
  process: SlotProcess;
}
