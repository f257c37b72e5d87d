/** Client middleware: a deadline on every call, which travels with it. */
import { ClientError, type ClientMiddleware, Metadata, Status } from 'nice-grpc';

/** Per-call option of a connected client. */
export interface DeadlineOptions {
  /**
   * How long the whole call may take, its retries included, in milliseconds; `Infinity` for none.
   * Default: the connection's, for unary calls and for streams.
   */
  readonly deadlineMs?: number | undefined;
}

/** Deadlines of calls that name none, in milliseconds. */
export interface DefaultDeadlines {
  readonly unaryMs: number;
  readonly streamMs: number;
}

/** Longest delay of a timer; beyond, a call has no deadline. */
const longestTimerMs = 2 ** 31 - 1;

/** Ends calls that take too long with DEADLINE_EXCEEDED; the room is told with `grpc-timeout`, so that it stops too. */
export function deadlineMiddleware(defaults: DefaultDeadlines): ClientMiddleware<DeadlineOptions> {
  return async function* withDeadline(call, options) {
    const { deadlineMs: asked, ...rest } = options;
    const streams = call.requestStream || call.responseStream;
    const deadlineMs = asked ?? (streams ? defaults.streamMs : defaults.unaryMs);
    if (deadlineMs > longestTimerMs) return yield* call.next(call.request, rest);

    const expiry = new AbortController();
    const timer = setTimeout(() => {
      expiry.abort();
    }, deadlineMs);
    const metadata = Metadata(rest.metadata).set('grpc-timeout', grpcTimeout(deadlineMs));
    const signal = rest.signal === undefined ? expiry.signal : AbortSignal.any([rest.signal, expiry.signal]);
    try {
      return yield* call.next(call.request, { ...rest, metadata, signal });
    } catch (error) {
      if (!expiry.signal.aborted || rest.signal?.aborted === true) throw error;
      throw new ClientError(
        call.method.path,
        Status.DEADLINE_EXCEEDED,
        `${call.method.path.slice(1)} did not answer within ${deadlineMs} ms`,
      );
    } finally {
      clearTimeout(timer);
    }
  };
}

/** At most 8 digits and a unit (gRPC over HTTP/2, "Timeout"). */
function grpcTimeout(milliseconds: number): string {
  const whole = Math.max(1, Math.ceil(milliseconds));
  return whole < 1e8 ? `${whole}m` : `${Math.ceil(whole / 1000)}S`;
}
