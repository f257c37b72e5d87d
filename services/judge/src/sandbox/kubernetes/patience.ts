/** Asks again after failures that pass, waiting longer each time, or as long as the server asks for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from './api-error.js';

/** One call may fail so many times for reasons that pass. */
const attempts = 5;
/** The wait after the first failure, in milliseconds; it doubles, and half of it is drawn. */
const firstWaitMs = 200;
/** The longest wait that a server is granted when it asks for one, in milliseconds. */
const longestWaitMs = 10_000;

/** What the call gives in the end. Throws its last error, or the signal's reason. */
export async function patiently<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ApiError) || !error.passes || attempt === attempts) throw error;
      await sleep(Math.min(error.retryAfterMs ?? backoff(attempt), longestWaitMs), undefined, { signal });
    }
  }
}

/** The wait after so many failures in a row, in milliseconds: half of it certain, half drawn. */
export function backoff(failures: number): number {
  return Math.min(firstWaitMs * 2 ** (failures - 1), longestWaitMs) * (0.5 + Math.random() / 2);
}
