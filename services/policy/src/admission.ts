/** The room is full: the same request may be taken later. */
export class BusyError extends Error {
  override readonly name = 'BusyError';

  constructor(
    message: string,
    /** When to try again, in milliseconds. */
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/** Bounds how much of one kind of work is inside the room, running or waiting for the engine. */
export class Admission {
  private inside = 0;

  constructor(
    /** What is counted, in the plural, for people: `completions`. */
    private readonly what: string,
    /** At least 1. */
    private readonly capacity: number,
    private readonly retryAfterMs: number,
  ) {}

  /**
   * Lets `amount` units in and returns how they leave, which may be called again without effect.
   *
   * Throws `BusyError` when they do not fit; more than the capacity is let into an empty room, lest it never be.
   */
  enter(amount = 1): () => void {
    if (this.inside > 0 && this.inside + amount > this.capacity) {
      const message = `${this.inside} of at most ${this.capacity} ${this.what} are in progress`;
      throw new BusyError(message, this.retryAfterMs);
    }
    this.inside += amount;
    let left = false;
    return () => {
      if (!left) this.inside -= amount;
      left = true;
    };
  }
}

/** The bounds that the gRPC service and the HTTP face share: both draw on the same engine. */
export interface Admissions {
  /** Completions being sampled or waiting for a slot. */
  readonly completions: Admission;
  /** Requests for scores, running or waiting. */
  readonly scoreCalls: Admission;
}

/** Score calls running or waiting. */
const maxScoreCalls = 64;

/** Bounds for one engine. */
export function createAdmissions(maxPendingCompletions: number): Admissions {
  return {
    completions: new Admission('completions', maxPendingCompletions, 1000),
    scoreCalls: new Admission('Score calls', maxScoreCalls, 500),
  };
}
