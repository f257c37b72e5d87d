/** A model that cannot be had; the message says why and what to do. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
}

/** The hub cannot be reached at all, so another source may serve. */
export class HubUnreachableError extends FetchError {}

/** The message of anything thrown, with those of its causes. */
export function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return String(error);
  const message = String(error.message);
  return 'cause' in error && error.cause !== undefined ? `${message} (${reasonOf(error.cause)})` : message;
}
