/** Client middleware: a call ends when its deadline passes, its caller aborts it, or its connection is closed. */
import { ClientError, type ClientMiddleware, Metadata, Status } from 'nice-grpc';
import { abortError } from './thrown.js';

/** Per-call option of a connected client. */
export interface DeadlineOptions {
  /**
   * How long the whole call may take, its retries included, in milliseconds; `Infinity` for none.
   * Default: the connection's, for unary calls and for streams.
   */
  readonly deadlineMs?: number | undefined;
}

/** What bounds the calls of a connection. */
export interface CallBounds {
  /** Deadline of unary calls that name none, in milliseconds. */
  readonly unaryMs: number;
  /** Deadline of streams that name none, in milliseconds. */
  readonly streamMs: number;
  /** Aborts when the connection is closed. */
  readonly closing: AbortSignal;
}

/** Longest delay of a timer, about 25 days; beyond, a call has no deadline. */
const longestTimerMs = 2 ** 31 - 1;

/** A passed deadline is DEADLINE_EXCEEDED; the room is told of it with `grpc-timeout`, so that it stops too. */
export function callLifetime({ unaryMs, streamMs, closing }: CallBounds): ClientMiddleware<DeadlineOptions> {
  return async function* bounded(call, options) {
    const { deadlineMs: asked, signal: caller, ...rest } = options;
    const deadlineMs = asked ?? (call.requestStream || call.responseStream ? streamMs : unaryMs);
    const expiry = new AbortController();
    const signal = AbortSignal.any([closing, expiry.signal, ...(caller === undefined ? [] : [caller])]);
    const timer = deadlineMs > longestTimerMs ? undefined : setTimeout(expire, deadlineMs, expiry);
    const stopTimer = (): void => {
      clearTimeout(timer);
    };
    // A stream that nobody reads stays suspended below, and its `finally` with it.
    signal.addEventListener('abort', stopTimer, { once: true });
    const metadata = Metadata(rest.metadata);
    if (timer !== undefined) metadata.set('grpc-timeout', grpcTimeout(deadlineMs));
    try {
      return yield* call.next(call.request, { ...rest, signal, metadata });
    } catch (error) {
      // Whatever the signal's reason, a cancelled call reads the same.
      if (caller?.aborted === true) throw abortError('the caller cancelled the call', caller.reason);
      if (closing.aborted) throw abortError('the connection was closed', error);
      if (!expiry.signal.aborted) throw error;
      const late = `${call.method.path.slice(1)} did not answer within ${deadlineMs} ms`;
      throw new ClientError(call.method.path, Status.DEADLINE_EXCEEDED, late);
    } finally {
      stopTimer();
      // A signal with listeners is kept alive by the connection's.
      signal.removeEventListener('abort', stopTimer);
    }
  };
}

function expire(expiry: AbortController): void {
  expiry.abort();
}

/** At most 8 digits and a unit (gRPC over HTTP/2, "Timeout"). */
function grpcTimeout(milliseconds: number): string {
  const whole = Math.max(1, Math.ceil(milliseconds));
  return whole < 1e8 ? `${whole}m` : `${Math.ceil(whole / 1000)}S`;
}
