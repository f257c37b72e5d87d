/** Server middleware: gives every call a request id and a logger, counts it, and logs its end at debug level. */
import { randomUUID } from 'node:crypto';
import { type CallContext, ServerError, type ServerMiddleware, Status } from 'nice-grpc';
import type { Logger } from './logger.js';
import type { CallMetrics } from './metrics.js';
import type { CallIdentity } from './service.js';
import { isAbort } from './thrown.js';

/** The metadata key of a request id, both ways. */
const requestIdKey = 'x-request-id';
/** The metadata key by which a caller names itself, where several share an address or one has several. */
export const callerKey = 'x-caller';

/** Identifies and observes calls. */
export function callIdentity(logger: Logger, metrics: CallMetrics): ServerMiddleware<CallIdentity> {
  return async function* identify(call, context) {
    const method = call.method.path.replace(/^\//, '');
    const requestId = requestIdOf(context);
    const log = logger.child({ requestId, method });
    const end = metrics.begin(method);
    const begunAt = performance.now();
    let code = 'CANCELLED'; // what remains when the caller drops a stream: neither an answer nor an error
    context.header.set(requestIdKey, requestId);
    try {
      const answer = yield* call.next(call.request, {
        ...context,
        requestId,
        caller: callerOf(context),
        logger: log,
      });
      code = 'OK';
      return answer;
    } catch (error) {
      code = codeName(error);
      throw error;
    } finally {
      end(code);
      log.debug({ code, ms: Math.round(performance.now() - begunAt), peer: context.peer }, 'call');
    }
  };
}

function requestIdOf(context: CallContext): string {
  return givenName(context, requestIdKey) ?? randomUUID();
}

function callerOf(context: CallContext): string {
  return givenName(context, callerKey) ?? context.peer;
}

/** What a caller gives is kept when it is short and printable, since it goes into logs. */
function givenName(
  { metadata }: CallContext,
  key: typeof requestIdKey | typeof callerKey,
): string | undefined {
  const given = metadata.get(key);
  return given !== undefined && /^[\w.:/-]{1,128}$/.test(given) ? given : undefined;
}

function codeName(error: unknown): string {
  if (error instanceof ServerError) return Status[error.code];
  return isAbort(error) ? 'CANCELLED' : 'UNKNOWN';
}
