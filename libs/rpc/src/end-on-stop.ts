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
    const request = call.requestStream ? untilAborted(call.request, signal) : call.request;
    try {
      return yield* call.next(request, { ...context, signal });
    } catch (error) {
      if (!stopping.aborted || context.signal.aborted) throw error;
      throw unavailable(`${room} is shutting down`, retryAfterMs);
    }
  };
}

/** The same requests; waiting for the next one ends with the signal's reason. */
async function* untilAborted<T>(
  requests: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, void> {
  const stream = requests[Symbol.asyncIterator]();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => {
      reject(abortError('the call was ended', signal.reason));
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  aborted.catch(() => undefined); // when nobody waits for a request, nobody needs to know
  try {
    for (;;) {
      const step = await Promise.race([stream.next(), aborted]);
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
