/** What went wrong in a call, as values: the closed vocabulary that every room speaks. */

/** The codes a room answers with; a foreign room's other codes read as `UNKNOWN`. */
export const failureCodes = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'ABORTED',
  'RESOURCE_EXHAUSTED',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNKNOWN',
] as const;

/** One of the codes above. */
export type FailureCode = (typeof failureCodes)[number];

/** One thing wrong with one field of a request. */
export interface Violation {
  /** Path of the field, for example `sampling.top_p` or `examples[3].completion_ids`. */
  readonly field: string;
  /** What is wrong and what would be right. */
  readonly description: string;
}

/** A failed call, read on the caller's side. */
export interface Failure {
  readonly code: FailureCode;
  /** One sentence, fit for people. */
  readonly message: string;
  /** INVALID_ARGUMENT: one per field. FAILED_PRECONDITION: one per state that is not so. */
  readonly violations?: readonly Violation[];
  /** ABORTED, UNIMPLEMENTED: a constant to switch on, for example `POLICY_VERSION_MISMATCH`. */
  readonly reason?: string;
  /** What the reason is about, for example `{ current_version: '7' }`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** NOT_FOUND: what was looked for. */
  readonly resource?: { readonly kind: string; readonly name: string };
  /** RESOURCE_EXHAUSTED, UNAVAILABLE: how long the room asks to be left alone, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The id under which the room's log tells more. */
  readonly requestId?: string;
  /** The method called, for example `backsight.policy.v1.PolicyService/Generate`. */
  readonly method?: string;
}
