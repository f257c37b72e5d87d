/** Client middleware: a call ends when its deadline passes, its caller aborts it, or its connection is closed. */
import { ClientError, type ClientMiddleware, Metadata, Status } from 'nice-grpc';

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
    const ends = [closing, expiry.signal, ...(caller === undefined ? [] : [caller])];
    const bounds = { ...rest, signal: AbortSignal.any(ends) };
    if (deadlineMs > longestTimerMs) return yield* call.next(call.request, bounds);

    const timer = setTimeout(() => {
      expiry.abort();
    }, deadlineMs);
    const stopTimer = (): void => {
      clearTimeout(timer);
    };
    // A stream that nobody reads stays suspended here, and its `finally` with it.
    bounds.signal.addEventListener('abort', stopTimer, { once: true });
    const metadata = Metadata(rest.metadata).set('grpc-timeout', grpcTimeout(deadlineMs));
    try {
      return yield* call.next(call.request, { ...bounds, metadata });
    } catch (error) {
      if (!expiry.signal.aborted || closing.aborted || caller?.aborted === true) throw error;
      const late = `${call.method.path.slice(1)} did not answer within ${deadlineMs} ms`;
      throw new ClientError(call.method.path, Status.DEADLINE_EXCEEDED, late);
    } finally {
      stopTimer();
    }
  };
}

/** At most 8 digits and a unit (gRPC over HTTP/2, "Timeout"). */
function grpcTimeout(milliseconds: number): string {
  const whole = Math.max(1, Math.ceil(milliseconds));
  return whole < 1e8 ? `${whole}m` : `${Math.ceil(whole / 1000)}S`;
}
