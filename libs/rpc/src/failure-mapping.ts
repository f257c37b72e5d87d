/** Server middleware: turns whatever a method throws into a failure of the closed vocabulary. */
import { ClientError, ServerError, type ServerMiddleware, Status } from 'nice-grpc';
import { RequestInfo, RichServerError } from 'nice-grpc-error-details';
import { internal } from './failures.js';
import type { CallIdentity } from './service.js';
import { isAbort } from './thrown.js';

/** Codes of a call to another room that are as true of this room's caller. */
const passedOn: readonly Status[] = [Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED, Status.DEADLINE_EXCEEDED];

/** Ordinary errors become INTERNAL: the log gets the cause, the caller gets a request id. */
export function failureMapping(room: string): ServerMiddleware<object, CallIdentity> {
  return async function* mapFailures(call, context) {
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      if (isAbort(error)) throw error;
      if (error instanceof ServerError) throw withRequestId(error, context.requestId);
      if (error instanceof ClientError && passedOn.includes(error.code)) {
        context.logger.warn({ err: error }, 'a room that this one calls failed');
        throw withRequestId(new RichServerError(error.code, error.details), context.requestId);
      }
      context.logger.error({ err: error }, 'unexpected error');
      throw internal(room, context.requestId);
    }
  };
}

function withRequestId(error: ServerError, requestId: string): RichServerError {
  const details = error instanceof RichServerError ? error.extra : [];
  return new RichServerError(error.code, error.details, [...details, RequestInfo.fromPartial({ requestId })]);
}
