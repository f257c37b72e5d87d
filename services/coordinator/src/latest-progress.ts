/** How far a piece of work is. */
export interface Advance {
  readonly done: number;
  readonly total: number;
}

/** The latest progress of a piece of work, for a caller who may be slower than the work. */
export class LatestProgress {
  #latest: Advance = { done: 0, total: 0 };
  #told = this.#latest;
  #wake: () => void = () => undefined;

  set(done: number, total: number): void {
    this.#latest = { done, total };
    this.#wake();
  }

  /** Yields progress until the work ends, well or not. */
  async *until(work: Promise<unknown>): AsyncGenerator<Advance, void, void> {
    const ended = work.then(
      () => true,
      () => true,
    );
    for (;;) {
      const changed = new Promise<false>((resolve) => {
        this.#wake = () => {
          resolve(false);
        };
      });
      if (this.#told !== this.#latest) {
        this.#told = this.#latest;
        yield this.#told;
      } else if (await Promise.race([ended, changed])) return;
    }
  }
}
