/**
 * Steps played ahead of the one that trains, one after the other.
 *
 * What is played ahead is at most `maxStaleness` steps older than the weights that train on it; the importance cap corrects.
 */
export class Ahead<Played> {
  readonly #play: (step: number, signal: AbortSignal) => Promise<Played>;
  #scope = new AbortController();
  #plays = new Map<number, Promise<Played>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(play: (step: number, signal: AbortSignal) => Promise<Played>) {
    this.#play = play;
  }

  /** Begins to play a step once those begun before it are played. */
  begin(step: number): void {
    if (this.#plays.has(step)) return;
    const { signal } = this.#scope;
    const play = this.#last.then(() => {
      signal.throwIfAborted();
      return this.#play(step, signal);
    });
    // Whoever takes the step is told of its failure.
    this.#last = play.catch(() => undefined);
    this.#plays.set(step, play);
  }

  /** The step, played: now, unless it was begun before. */
  async take(step: number): Promise<Played> {
    this.begin(step);
    const play = this.#plays.get(step);
    if (play === undefined) throw new Error(`Step ${step} was not begun.`);
    try {
      return await play;
    } finally {
      this.#plays.delete(step);
    }
  }

  /** Gives up everything begun, and waits until nothing of it runs any more. */
  async abandon(): Promise<void> {
    this.#scope.abort();
    await this.#last;
    this.#scope = new AbortController();
    this.#plays = new Map();
    this.#last = Promise.resolve();
  }
}
