/** A sandbox that stands trial: how to open it, and what must not be left of it. */
import { leftGroups, leftProcesses, slotPids } from './leftovers.js';
import { openRealSandbox, type RealKind, testUsers } from './real-sandbox.js';
import { NoSandbox, type Sandbox } from './sandbox.js';

/** One kind of sandbox, as the conformance suite knows it. */
export interface Candidate {
  readonly name: string;
  /** It stands one in so many of the trials, where each is dear. Default: 1. */
  readonly oneIn?: number;
  /** How many submissions and attacks it takes in a mix; fewer where each is dear. */
  readonly mix: number;
  /** Opens it; whoever does closes it. Throws NoSandbox where this machine has none. */
  open(slots: number): Promise<Sandbox>;
  /** Processes of programs that should be over, while it is open. */
  stillRunning(): Promise<readonly string[]>;
  /** What there is of it that should be gone once it is closed: processes, control groups, containers. */
  remains(): Promise<readonly string[]>;
}

/** The sandboxes of this machine's own slots. */
export function slotCandidate(kind: RealKind): Candidate {
  let slots: readonly number[] = [];
  const stillRunning = (): Promise<readonly string[]> => leftProcesses(testUsers.first, testUsers.count);
  return {
    name: kind,
    mix: 150,
    open: async (count) => {
      const sandbox = await openRealSandbox({ kind, slots: count });
      slots = slotPids();
      if (slots.length === 0) throw new Error('a sandbox of slots has none');
      return sandbox;
    },
    stillRunning,
    remains: async () => [
      ...slotPids().map((pid) => `slot ${pid}`),
      ...(await leftGroups(slots)),
      ...(await stillRunning()),
    ],
  };
}

/** Why this machine cannot try it out, in one sentence; undefined when it can. */
export async function whyNot(candidate: Candidate): Promise<string | undefined> {
  try {
    await (await candidate.open(1)).close();
    return undefined;
  } catch (error) {
    if (error instanceof NoSandbox) return error.message;
    throw error;
  }
}
