/** Watches one follower: whether it answers, and which weights it has. */
import { describeError, type Logger } from '@backsight/rpc';
import { setTimeout as delay } from 'node:timers/promises';
import type { PolicyRoom } from '../rooms/rooms.js';

/** Weights that a policy or a follower has. */
export interface Weights {
  readonly version: number;
  /** Never the same twice; empty for a policy that gives no names. */
  readonly weightsId: string;
}

/** How often a follower is asked, in milliseconds. */
export interface WatchIntervals {
  /** While somebody waits for it. */
  readonly eager: number;
  readonly calm: number;
  /** After how long without an answer it counts as away. */
  readonly deadline: number;
}

export const watchIntervals: WatchIntervals = { eager: 50, calm: 1000, deadline: 5000 };

/** What the watch tells, as it finds it. */
export interface WatchListener {
  readonly onWeights: (weights: Weights) => void;
  readonly onAway: () => void;
}

export class FollowerWatch {
  /** Completions that it samples side by side. */
  slots = 1;
  /** Completions asked of it that have not come yet. */
  pending = 0;
  readonly room: PolicyRoom;
  readonly #logger: Logger;
  readonly #intervals: WatchIntervals;
  readonly #closing = new AbortController();
  #weights: Weights | undefined;
  #presence = new AbortController();
  #wake = new AbortController();
  #wanted = true;
  #asked = false;
  #watching: Promise<void> | undefined;

  constructor(room: PolicyRoom, logger: Logger, intervals: WatchIntervals) {
    this.room = room;
    this.#logger = logger;
    this.#intervals = intervals;
  }

  /** Undefined while it is away. */
  get weights(): Weights | undefined {
    return this.#weights;
  }

  /** Whether it has been asked at least once. */
  get isKnown(): boolean {
    return this.#asked;
  }

  /** Aborts when it goes away. */
  get presence(): AbortSignal {
    return this.#presence.signal;
  }

  start(listener: WatchListener): void {
    this.#watching ??= this.#watch(listener);
  }

  /** Somebody waits for what it has next, or no longer does. */
  set wanted(wanted: boolean) {
    if (wanted && !this.#wanted) this.#wake.abort();
    this.#wanted = wanted;
  }

  /** A call to it broke: it is away until it answers again. */
  broke(error: unknown, listener: WatchListener): void {
    this.#away(error, listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#presence.abort();
    await this.#watching;
  }

  async #watch(listener: WatchListener): Promise<void> {
    const closing = this.#closing.signal;
    const { eager, calm, deadline } = this.#intervals;
    while (!this.#isClosing()) {
      try {
        const options = { signal: closing, deadlineMs: deadline, retry: false as const };
        const { version, weightsId, limits } = await this.room.client.describe({ brief: true }, options);
        this.#asked = true;
        this.slots = Math.max(1, limits?.generationSlots ?? 1);
        this.#answered({ version, weightsId }, listener);
      } catch (error) {
        if (!this.#isClosing()) this.#away(error, listener);
      }
      this.#wake = new AbortController();
      const wait = this.#weights !== undefined && this.#wanted ? eager : calm;
      const signal = AbortSignal.any([closing, this.#wake.signal]);
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Read anew: it may have changed while the follower was asked. */
  #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  #answered(weights: Weights, listener: WatchListener): void {
    if (this.#presence.signal.aborted) {
      this.#presence = new AbortController();
      this.#logger.info({ follower: this.room.address }, 'a follower is back');
    }
    this.#weights = weights;
    listener.onWeights(weights);
  }

  #away(error: unknown, listener: WatchListener): void {
    const wasThere = this.#weights !== undefined || !this.#asked;
    this.#asked = true;
    this.#weights = undefined;
    this.#presence.abort();
    if (wasThere)
      this.#logger.warn({ follower: this.room.address, why: describeError(error) }, 'a follower is away');
    listener.onAway();
  }
}
