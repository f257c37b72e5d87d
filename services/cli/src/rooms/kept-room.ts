/** A room that is kept running: when it ends by itself it is started again, unless it does so again and again. */
import { describeError } from '@backsight/rpc';
import type { RoomName, RoomProcess } from './room-process.js';

/** A room that ends this often within a minute is not started again. */
const MOST_ENDS = 3;
const MINUTE_MS = 60_000;

export class KeptRoom {
  readonly room: RoomName;
  /** Resolves with one sentence when the room ended for good. */
  readonly broken: Promise<string>;
  readonly #start: () => Promise<RoomProcess>;
  readonly #onRevived: ((words: string) => void) | undefined;
  #process: RoomProcess;
  #stopping = false;

  /** Without `onRevived` the room is never started again. */
  constructor(process: RoomProcess, start: () => Promise<RoomProcess>, onRevived?: (words: string) => void) {
    this.room = process.room;
    this.#process = process;
    this.#start = start;
    this.#onRevived = onRevived;
    this.broken = this.#keep();
  }

  /** Stops the room, also one that is just being started again. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#process.stop();
    await this.broken;
  }

  async #keep(): Promise<string> {
    const ends: number[] = [];
    for (;;) {
      const words = await this.#process.ended;
      const now = Date.now();
      ends.push(now);
      const often = ends.filter((at) => now - at < MINUTE_MS).length >= MOST_ENDS;
      if (this.#stopping || this.#onRevived === undefined || often) return words;
      try {
        this.#process = await this.#start();
      } catch (error) {
        return describeError(error);
      }
      if (this.#isStopping()) await this.#process.stop();
      else this.#onRevived(`${words} It was started again.`);
    }
  }

  /** Read anew: it may have changed while the room was started. */
  #isStopping(): boolean {
    return this.#stopping;
  }
}
