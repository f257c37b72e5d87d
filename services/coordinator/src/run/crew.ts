/** Those who sample for a run: the followers of its policy that have the right weights, else the policy itself. */
import { EventEmitter, once } from 'node:events';
import { type Logger, within } from '@backsight/rpc';
import type { PolicyRoom } from '../rooms/rooms.js';
import {
  FollowerWatch,
  type WatchIntervals,
  watchIntervals,
  type WatchListener,
  type Weights,
} from './follower-watch.js';

/** How long followers with older weights are waited for, in milliseconds, before the policy samples itself. */
const SYNC_PATIENCE_MS = 15_000;

/** One who samples, taken for some completions. Leave it in `finally`. */
export interface Sampler {
  readonly room: PolicyRoom;
  readonly isFollower: boolean;
  /** Aborts when the one who samples goes away. */
  readonly presence: AbortSignal;
  /** A completion has come. */
  readonly received: () => void;
  /** The call broke, or gave what cannot be used. */
  readonly broke: (error: unknown) => void;
  readonly leave: () => void;
}

/** What became of followers since the last report. */
export interface CrewReport {
  /** Followers that have the policy's weights. */
  readonly serving: number;
  /** From new weights until a follower had them, one for each that took them over, in seconds. */
  readonly syncSeconds: readonly number[];
}

export interface CrewOptions {
  readonly logger: Logger;
  readonly intervals?: WatchIntervals;
  readonly syncPatienceMs?: number;
  /** Told once when no follower came to have the policy's weights in time. */
  readonly onBehind?: () => void;
}

/** What `take` asks for. */
interface Wanted {
  readonly oldest: number;
  readonly completions: number;
  readonly part: number;
}

export class Crew {
  readonly size: number;
  readonly #policy: PolicyRoom;
  readonly #followers: readonly FollowerWatch[];
  readonly #syncPatienceMs: number;
  readonly #onBehind: (() => void) | undefined;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  /** Names of the policy's weights, by version. */
  readonly #names = new Map<number, string>();
  /** Those that have the policy's weights of now. */
  readonly #synced = new Set<FollowerWatch>();
  /** Those that were there when the policy came to have them, and have been since. */
  readonly #waiting = new Set<FollowerWatch>();
  /** Nobody is waited for until a follower has the policy's weights again. */
  #gaveUp = false;
  #current: (Weights & { readonly sinceMs: number }) | undefined;
  #syncSeconds: number[] = [];

  constructor(policy: PolicyRoom, followers: readonly PolicyRoom[], options: CrewOptions) {
    const { logger, intervals = watchIntervals, syncPatienceMs = SYNC_PATIENCE_MS, onBehind } = options;
    this.size = followers.length;
    this.#policy = policy;
    this.#syncPatienceMs = syncPatienceMs;
    this.#onBehind = onBehind;
    this.#followers = followers.map((room) => new FollowerWatch(room, logger, intervals));
    for (const follower of this.#followers) follower.start(this.#listenerOf(follower));
  }

  /** The policy has these weights, since so many milliseconds by `performance.now`. */
  policyHas({ version, weightsId }: Weights, sinceMs: number): void {
    const known = this.#current;
    if (known?.version === version && known.weightsId === weightsId) return;
    // Whatever came after a version that was restored came of other weights.
    for (const later of [...this.#names.keys()].filter((each) => each > version)) this.#names.delete(later);
    this.#names.set(version, weightsId);
    this.#current = { version, weightsId, sinceMs };
    this.#synced.clear();
    this.#waiting.clear();
    for (const follower of this.#followers) if (follower.weights !== undefined) this.#waiting.add(follower);
    for (const follower of this.#followers) this.#compare(follower);
    this.#changes.emit('change');
  }

  /**
   * Who samples so many completions with weights of at least that version: the least loaded of the followers that have them;
   * those that are about to have them are waited for; the policy itself when there is none. `part` is each follower's part of
   * the batch, in completions.
   */
  async take(oldest: number, completions: number, part: number, signal: AbortSignal): Promise<Sampler> {
    const { signal: patience, stop } = within(signal, this.#patienceLeft());
    try {
      return await this.#choose({ oldest, completions, part }, signal, patience);
    } finally {
      stop();
    }
  }

  async #choose(
    { oldest, completions, part }: Wanted,
    signal: AbortSignal,
    patience: AbortSignal,
  ): Promise<Sampler> {
    for (;;) {
      signal.throwIfAborted();
      const able = this.#followers.filter((follower) => this.#mayServe(follower, oldest));
      // The first to answer is not given all there is, nor is the first to have the weights.
      const met = patience.aborted || this.#followers.every(({ isKnown }) => isKnown);
      const isOneLate = [...this.#waiting].some((follower) => !able.includes(follower));
      const bound = isOneLate && !patience.aborted ? part : Infinity;
      const free = (met ? able : []).filter(
        ({ pending, slots }) =>
          pending === 0 || pending + completions <= Math.min(QUEUE_SHARE * slots, bound),
      );
      const [best] = [...free].sort((a, b) => load(a) - load(b));
      if (best !== undefined) return this.#follower(best, completions);
      const late = this.#followers.some(({ isKnown, weights }) => !isKnown || weights !== undefined);
      if (able.length === 0 && (!late || this.#gaveUp)) return this.#itself();
      if (able.length === 0 && patience.aborted) return this.#withoutThem();
      // Those who are able but full are waited for as long as they stay.
      await once(this.#changes, 'change', { signal: able.length > 0 && met ? signal : patience }).catch(
        () => undefined,
      );
    }
  }

  /** What became of followers since this was asked last. */
  report(): CrewReport {
    const report = { serving: this.#synced.size, syncSeconds: this.#syncSeconds };
    this.#syncSeconds = [];
    return report;
  }

  async close(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.close()));
  }

  /** At least a moment: followers that were never asked may be there. */
  #patienceLeft(): number {
    const behindMs = this.#current === undefined ? 0 : performance.now() - this.#current.sinceMs;
    return Math.max(1, Math.round(this.#syncPatienceMs - behindMs));
  }

  #mayServe({ weights }: FollowerWatch, oldest: number): boolean {
    return (
      weights !== undefined &&
      weights.version >= oldest &&
      this.#names.get(weights.version) === weights.weightsId
    );
  }

  #follower(follower: FollowerWatch, completions: number): Sampler {
    follower.pending += completions;
    let left = completions;
    return {
      room: follower.room,
      isFollower: true,
      presence: follower.presence,
      received: () => {
        left -= 1;
        follower.pending -= 1;
        this.#changes.emit('change');
      },
      broke: (error) => {
        follower.broke(error, this.#listenerOf(follower));
      },
      leave: () => {
        follower.pending -= left;
        left = 0;
        this.#changes.emit('change');
      },
    };
  }

  #withoutThem(): Sampler {
    if (!this.#gaveUp) this.#onBehind?.();
    this.#gaveUp = true;
    return this.#itself();
  }

  #itself(): Sampler {
    return {
      room: this.#policy,
      isFollower: false,
      presence: new AbortController().signal,
      received: () => undefined,
      broke: () => undefined,
      leave: () => undefined,
    };
  }

  #listenerOf(follower: FollowerWatch): WatchListener {
    return {
      onWeights: () => {
        this.#compare(follower);
        this.#changes.emit('change');
      },
      onAway: () => {
        this.#synced.delete(follower);
        this.#waiting.delete(follower);
        this.#changes.emit('change');
      },
    };
  }

  /** Whether the follower has the policy's weights, and since when. */
  #compare(follower: FollowerWatch): void {
    const current = this.#current;
    const { weights } = follower;
    const has =
      current !== undefined &&
      weights?.version === current.version &&
      weights.weightsId === current.weightsId;
    follower.wanted = !has;
    if (!has || this.#synced.has(follower)) return;
    this.#synced.add(follower);
    this.#gaveUp = false;
    // Of one that was away, the time would tell how long it was.
    if (this.#waiting.delete(follower)) this.#syncSeconds.push((performance.now() - current.sinceMs) / 1000);
  }
}

/** A follower is given work ahead of its slots, so that none of them waits. */
const QUEUE_SHARE = 1.5;

const load = ({ pending, slots }: FollowerWatch): number => pending / slots;
