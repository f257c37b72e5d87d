/** A signal that aborts after so long, or with another. */

/** A signal, and how to end its clock. */
export interface Within {
  /** Aborts with the signal that was given, or when the time is over. */
  readonly signal: AbortSignal;
  /** Stops the clock; call it when nobody waits any more. */
  readonly stop: () => void;
}

/**
 * A signal that aborts with `signal`, or after so many milliseconds.
 *
 * Not `AbortSignal.any` of an `AbortSignal.timeout`: in Node.js 20 nothing holds the latter, so that the garbage collector takes
 * it and its timer with it, and the signal never aborts.
 */
export function within(signal: AbortSignal, milliseconds: number): Within {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, milliseconds);
  return {
    signal: AbortSignal.any([signal, late.signal]),
    stop: () => {
      clearTimeout(timer);
    },
  };
}
