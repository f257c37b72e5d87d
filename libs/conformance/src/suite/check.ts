/** A check: one promise of a contract, tried against a room. */

/** One promise of a contract. */
export interface Check<Subject> {
  /** `part.what`, for example `generate.seed`. */
  readonly name: string;
  /** What the room is held to; completes "it ...". */
  readonly promise: string;
  /** Resolves when the promise is kept; throws `Nonconformity` when it is not, `NotOffered` when it was never made. */
  readonly run: (subject: Subject) => Promise<void>;
}

/** The room broke its promise; the message says how, in one sentence. */
export class Nonconformity extends Error {
  override readonly name = 'Nonconformity';
}

/** The room does not make this promise, which it may leave out; the message says what it said. */
export class NotOffered extends Error {
  override readonly name = 'NotOffered';
}

/** Throws the sentence unless it holds. */
export function expectThat(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Nonconformity(sentence);
}

/** The value, which must be there. */
export function expectSet<T>(value: T | undefined, sentence: string): T {
  if (value === undefined) throw new Nonconformity(sentence);
  return value;
}
