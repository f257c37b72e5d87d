import type { ActiveRequest, Sample } from './request.js';

/** Samples that wait for a slot. Requests take turns, a sample each, so that a small one need not wait for a large one. */
export class SampleQueue {
  /** Those whose turn is next come first; a request without samples is not there. */
  private turns = new Map<ActiveRequest, Sample[]>();

  /** Samples that wait. */
  get size(): number {
    let size = 0;
    for (const samples of this.turns.values()) size += samples.length;
    return size;
  }

  /** Adds the samples of a request, in the order they are to start in. */
  add(request: ActiveRequest, samples: readonly Sample[]): void {
    if (samples.length > 0) this.turns.set(request, [...samples].reverse());
  }

  /** Takes at most `count` samples, those whose turn it is. */
  take(count: number): readonly Sample[] {
    const taken: Sample[] = [];
    while (taken.length < count) {
      const [turn] = this.turns;
      if (turn === undefined) break;
      const [request, samples] = turn;
      const sample = samples.pop();
      if (sample !== undefined) taken.push(sample);
      this.turns.delete(request);
      if (samples.length > 0) this.turns.set(request, samples);
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
    for (const samples of this.turns.values()) yield* samples;
  }
}
