import type { ActiveRequest, Sample } from './request.js';

/** Samples that one turn takes at most. */
const turnSamples = 16;

/** What a request has waiting. */
interface Turn {
  /** In the opposite of the order they are to start in. */
  readonly samples: Sample[];
  /** Samples that it may still take before it is another's turn. */
  left: number;
}

/**
 * Samples that wait for a slot. Requests take turns, so that a small one need not wait for a large one.
 *
 * A turn is one prompt's samples, or as many as a turn takes: prompts that are half done keep what was read of them in
 * memory, and there should be few.
 */
export class SampleQueue {
  /** The request whose turn it is comes first; one without samples is not there. */
  private readonly turns = new Map<ActiveRequest, Turn>();

  constructor(private readonly longestTurn = turnSamples) {}

  /** Samples that wait. */
  get size(): number {
    let size = 0;
    for (const { samples } of this.turns.values()) size += samples.length;
    return size;
  }

  /** Adds the samples of a request, in the order they are to start in. */
  add(request: ActiveRequest, samples: readonly Sample[]): void {
    if (samples.length === 0) return;
    this.turns.set(request, { samples: [...samples].reverse(), left: this.longestTurn });
  }

  /** Takes at most `count` samples, those whose turn it is. */
  take(count: number): readonly Sample[] {
    const taken: Sample[] = [];
    while (taken.length < count) {
      const [next] = this.turns;
      if (next === undefined) break;
      const [request, turn] = next;
      const sample = turn.samples.pop();
      if (sample !== undefined) taken.push(sample);
      turn.left -= 1;
      const following = turn.samples.at(-1);
      if (turn.left > 0 && following !== undefined && following.promptIds === sample?.promptIds) continue;
      this.turns.delete(request);
      if (following !== undefined) this.turns.set(request, { ...turn, left: this.longestTurn });
    }
    return taken;
  }

  /** Gives up the samples of requests that want no more. */
  dropCancelled(): void {
    for (const request of this.turns.keys()) if (request.cancelled) this.turns.delete(request);
  }

  clear(): void {
    this.turns.clear();
  }

  *[Symbol.iterator](): Generator<Sample, void, void> {
    for (const { samples } of this.turns.values()) yield* samples;
  }
}
