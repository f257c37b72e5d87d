/** The sandboxes of this machine alone: slots that run one program after another (python/slot.py). */
import { IsolationTier } from '@backsight/contract/judge';
import { ArtefactCache, artefactKey } from './artefact-cache.js';
import type { Toolchain } from './find-toolchains.js';
import { findStrays } from './leftovers.js';
import { type Sandbox, type SandboxEvent, SandboxFailure, type SandboxJob } from './sandbox.js';
import { type SlotIsolation, SlotProcess, type SlotTier } from './slot-process.js';

/** How to open it. */
export interface SlotSandboxOptions {
  /** Programs run side by side. */
  readonly slots: number;
  readonly isolation: SlotIsolation;
  /** Path of bwrap, for `bubblewrap`. */
  readonly bubblewrap?: string;
  /** Python's first: the sandbox itself is written in it. */
  readonly toolchains: readonly Toolchain[];
  /** The host's user that the first slot's programs become where the judge is root, the next one's one more. */
  readonly firstUser?: number;
  /** Gets what the slots complain of. */
  readonly onComplaint: (line: string) => void;
}

/** A range that neither Debian nor systemd hands out. */
const unassignedUser = 60_600;
const artefactBytes = 1 << 28;

const tiers: Readonly<Record<SlotTier, IsolationTier>> = {
  container: IsolationTier.CONTAINER,
  'control-groups': IsolationTier.CONTROL_GROUPS,
  namespaces: IsolationTier.NAMESPACES,
  none: IsolationTier.NONE,
};

/** Starts the slots. Throws NoSandbox, with one sentence, where nothing isolates. */
export async function openSlotSandbox(options: SlotSandboxOptions): Promise<Sandbox> {
  const { slots, isolation, bubblewrap = '', onComplaint, toolchains, firstUser = unassignedUser } = options;
  const [python] = toolchains;
  if (python?.name !== 'python') throw new TypeError('the first toolchain is that of Python');
  const paths = Object.fromEntries(toolchains.map(({ name, path }) => [name, path]));
  const stores = Object.fromEntries(
    toolchains.flatMap(({ name, store }) => (store === undefined ? [] : [[name, store]])),
  );
  const startProcess = (index: number, language: string): Promise<SlotProcess> =>
    SlotProcess.start({
      python: python.path,
      isolation,
      bubblewrap,
      user: firstUser + index,
      language,
      toolchains: paths,
      stores,
      onComplaint,
    });

  // The first one alone: it may have to make room in the hierarchy of control groups.
  const first = await startProcess(0, python.name);
  const { tier } = first;
  const idle: Slot[] = [{ index: 0, processes: new Map([[python.name, first]]) }];
  const all = new Set(idle);
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    await Promise.all(
      [...all].flatMap(({ processes }) => [...processes.values()].map((each) => each.close())),
    );
  };

  /** The slot's process whose sandboxes see the toolchain of this language; started when first needed, or dead. */
  const processOf = async (slot: Slot, language: string): Promise<SlotProcess> => {
    const known = slot.processes.get(language);
    if (known?.usable === true) return known;
    const process = await startProcess(slot.index, language).catch((error: unknown) => {
      throw new SandboxFailure('a sandbox slot could not be started', { cause: error });
    });
    if (process.tier !== tier || closed) {
      await process.close();
      throw new SandboxFailure(`a sandbox slot came up with ${process.tier} instead of ${tier}, or too late`);
    }
    slot.processes.set(language, process);
    return process;
  };

  const rest = Array.from({ length: slots - 1 }, (_, index): Slot => ({
    index: index + 1,
    processes: new Map(),
  }));
  for (const slot of rest) all.add(slot);
  const started = await Promise.allSettled(rest.map((slot) => processOf(slot, python.name)));
  const failed = started.find((each) => each.status === 'rejected');
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  idle.push(...rest);
  // One beside each, with processes of its own that start when first needed.
  const companions = Array.from({ length: slots }, (_, index): Slot => ({
    index: slots + index,
    processes: new Map(),
  }));
  for (const companion of companions) all.add(companion);

  const artefacts = new ArtefactCache(artefactBytes);
  return {
    name: isolation,
    tier: tiers[tier],
    languages: toolchains,
    capacity: slots,

    async *execute(job: SandboxJob, signal: AbortSignal): AsyncGenerator<SandboxEvent, void, void> {
      const places = job.companion === true ? companions : idle;
      const slot = places.pop();
      if (slot === undefined) throw new SandboxFailure('every slot of the sandbox is taken');
      try {
        if (closed) throw new SandboxFailure('the sandbox is closed');
        const toolchain = toolchains.find(({ name }) => name === job.language);
        const { version = '' } = toolchain ?? {};
        await prepared(toolchain, signal);
        const process = await processOf(slot, job.surroundings ?? job.language);
        const key = artefactKey(job.language, version, job.source);
        yield* process.execute(job, signal, {
          known: artefacts.get(key),
          keep: (artefact) => {
            artefacts.put(key, artefact);
          },
        });
      } finally {
        places.push(slot);
      }
    },

    leftovers: () => findStrays(firstUser, 2 * slots),
    close,
  };
}

/** Waits until a compiler has what it needs, as long as somebody wants its work. */
async function prepared({ name, ready }: Partial<Toolchain> = {}, signal: AbortSignal): Promise<void> {
  if (ready === undefined) return;
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is what it is
      reject(signal.reason);
    });
  });
  await Promise.race([ready(), aborted]).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new SandboxFailure(`what the compiler of ${name ?? ''} needs could not be made ready`, {
      cause: error,
    });
  });
}

interface Slot {
  readonly index: number;
  /** By the language whose toolchain their sandboxes see. */
  readonly processes: Map<string, SlotProcess>;
}
