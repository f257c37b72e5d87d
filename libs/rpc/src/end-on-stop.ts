/** Server middleware: ends the calls that outlast a drain, so that their callers learn that the room went away. */
import type { ServerMiddleware } from 'nice-grpc';
import { unavailable } from './failures.js';
import { abortError } from './thrown.js';

/** How long callers are asked to wait for the room, or another replica, in milliseconds. */
const retryAfterMs = 1000;

/** Once `stopping` aborts, the signals of all calls abort and their callers read UNAVAILABLE: nobody cancelled them. */
export function endOnStop(room: string, stopping: AbortSignal): ServerMiddleware {
  return async function* stoppable(call, context) {
    const signal = AbortSignal.any([context.signal, stopping]);
    const abortion = rejectOnAbort(signal);
    const request = call.requestStream ? until(abortion.promise, call.request) : call.request;
    try {
      return yield* call.next(request, { ...context, signal });
    } catch (error) {
      if (!stopping.aborted || context.signal.aborted) throw error;
      throw unavailable(`${room} is shutting down`, retryAfterMs);
    } finally {
      abortion.forget();
    }
  };
}

/** The same requests; waiting for the next one ends when the promise rejects. */
async function* until<T>(end: Promise<never>, requests: AsyncIterable<T>): AsyncGenerator<T, void, void> {
  const stream = requests[Symbol.asyncIterator]();
  for (;;) {
    const step = await Promise.race([stream.next(), end]);
    if (step.done === true) return;
    yield step.value;
  }
}

interface Abortion {
  /** Rejects when the signal aborts. */
  readonly promise: Promise<never>;
  /** Stops listening: a signal with listeners is kept alive by the server's. */
  readonly forget: () => void;
}

function rejectOnAbort(signal: AbortSignal): Abortion {
  let forget = (): void => undefined;
  const promise = new Promise<never>((_resolve, reject) => {
    const abort = (): void => {
      reject(abortError('the call was ended', signal.reason));
    };
    signal.addEventListener('abort', abort, { once: true });
    forget = () => {
      signal.removeEventListener('abort', abort);
    };
  });
  promise.catch(() => undefined); // when nobody waits for a request, nobody needs to know
  return { promise, forget };
}
