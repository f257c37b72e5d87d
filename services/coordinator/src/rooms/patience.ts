/** Patience with rooms that are away for now: a call is made again until it works or patience runs out. */
import { describeError, type FailureCode, readFailure } from '@backsight/rpc';
import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** How long a room may be away without a break, in milliseconds; 0 takes the first failure as it is. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Told before each wait. */
  readonly onWait?: (reason: string, waitMs: number) => void;
}

/** A room stayed away for longer than patience lasts. */
export class RoomAwayError extends Error {
  override readonly name = 'RoomAwayError';
}

const SHORTEST_MS = 100;
const LONGEST_MS = 10_000;

/** Failures that pass if one waits. CANCELLED is the room hanging up, since the caller's own cancellation is ruled out first. */
const passing: readonly (FailureCode | undefined)[] = [
  'UNAVAILABLE',
  'RESOURCE_EXHAUSTED',
  'DEADLINE_EXCEEDED',
  'ABORTED',
  'CANCELLED',
];

/** Waits that double from one failure to the next, with jitter, and end when patience does. */
export class Waits {
  readonly #patience: Patience;
  readonly #room: string;
  #failures = 0;
  #sinceMs = 0;

  constructor(room: string, patience: Patience) {
    this.#room = room;
    this.#patience = patience;
  }

  /** The room answered: the next failure is a first one. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits after a passing failure; throws the error itself if it will not pass, RoomAwayError if it takes too long. */
  async after(error: unknown): Promise<void> {
    const { patienceMs, signal, onWait } = this.#patience;
    signal.throwIfAborted();
    if (patienceMs === 0 || !passing.includes(readFailure(error)?.code)) throw error;
    if (this.#failures === 0) this.#sinceMs = performance.now();
    const awayMs = performance.now() - this.#sinceMs;
    const reason = describeError(error);
    if (this.#failures > 0 && awayMs >= patienceMs) {
      throw new RoomAwayError(`${this.#room} has been away for ${Math.round(awayMs / 1000)} s: ${reason}`, {
        cause: error,
      });
    }
    const bound = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** this.#failures);
    const asked = readFailure(error)?.retryAfterMs ?? 0;
    const waitMs = Math.max(asked, (bound * (1 + Math.random())) / 2);
    this.#failures += 1;
    onWait?.(reason, waitMs);
    await delay(waitMs, undefined, { signal });
  }
}

/** Calls until it works. */
export async function patiently<T>(room: string, patience: Patience, call: () => Promise<T>): Promise<T> {
  const waits = new Waits(room, patience);
  for (;;) {
    try {
      return await call();
    } catch (error) {
      await waits.after(error);
    }
  }
}
