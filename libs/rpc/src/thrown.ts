/** Looks at whatever was thrown by its shape, since errors of another realm (workers, test runners) are no `instanceof Error`. */

/** Whether it says that an AbortSignal aborted. */
export function isAbort(thrown: unknown): boolean {
  return nameOf(thrown) === 'AbortError';
}

/** Its message, or itself as text. */
export function messageOf(thrown: unknown): string {
  const isErrorLike = typeof thrown === 'object' && thrown !== null && 'message' in thrown;
  return isErrorLike ? String(thrown.message) : String(thrown);
}

function nameOf(thrown: unknown): unknown {
  return typeof thrown === 'object' && thrown !== null && 'name' in thrown ? thrown.name : undefined;
}

/** An error that says that an AbortSignal aborted; the signal's reason is its cause. */
export function abortError(message: string, cause: unknown): Error {
  const error = new Error(message, { cause });
  error.name = 'AbortError';
  return error;
}
