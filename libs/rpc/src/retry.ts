/** Client middleware: calls again what failed for now, with exponential backoff and jitter. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientMiddleware } from 'nice-grpc';
import { readFailure } from './read-failure.js';

/** How often and how fast a call is tried again. */
export interface RetryPolicy {
  /** Calls in all, the first included. Default 5. */
  readonly attempts?: number;
  /** Bound of the first wait, in milliseconds; it doubles at each attempt. Default 100. */
  readonly baseDelayMs?: number;
  /** Bound of every wait, in milliseconds, unless the room asks for longer. Default 5,000. */
  readonly maxDelayMs?: number;
}

/** Per-call option of a connected client. */
export interface RetryOptions {
  /**
   * `true` retries a unary method that the contract does not mark idempotent, `false` never retries; a policy does as
   * it says. Default: the connection's policy for methods that the contract marks.
   */
  readonly retry?: RetryPolicy | boolean | undefined;
}

/**
 * Retries unary calls that fail with UNAVAILABLE or RESOURCE_EXHAUSTED. The wait is drawn from [half, whole] of its
 * bound and is never shorter than the room's own RetryInfo. Streams are the caller's to open again.
 */
export function retryMiddleware(policy: RetryPolicy | false): ClientMiddleware<RetryOptions> {
  return async function* withRetry(call, options) {
    const { retry, ...rest } = options;
    const chosen = choose(policy, retry, call.method.options.idempotencyLevel !== undefined);
    if (chosen === undefined || call.requestStream || call.responseStream) {
      return yield* call.next(call.request, rest);
    }
    const { attempts = 5, baseDelayMs = 100, maxDelayMs = 5000 } = chosen;
    for (let attempt = 1; ; attempt++) {
      try {
        return yield* call.next(call.request, rest);
      } catch (error) {
        const failure = readFailure(error);
        const passing = failure?.code === 'UNAVAILABLE' || failure?.code === 'RESOURCE_EXHAUSTED';
        if (!passing || attempt >= attempts) throw error;
        const bound = Math.min(maxDelayMs, baseDelayMs * 2 ** (attempt - 1));
        const wait = Math.max(failure.retryAfterMs ?? 0, (bound * (1 + Math.random())) / 2);
        await delay(wait, undefined, rest.signal === undefined ? {} : { signal: rest.signal });
      }
    }
  };
}

function choose(
  connection: RetryPolicy | false,
  call: RetryPolicy | boolean | undefined,
  idempotent: boolean,
): RetryPolicy | undefined {
  if (typeof call === 'object') return call;
  if (call ?? idempotent) return connection === false ? undefined : connection;
  return undefined;
}
