/** Client middleware: says in one sentence which room could not be reached or is another than expected, and why. */
import { ClientError, type ClientMiddleware, Status } from 'nice-grpc';
import { RichClientError } from 'nice-grpc-error-details';

/** Rewords what the gRPC libraries say of themselves; what a room says stays as it is. */
export function unreachable(name: string, address: string): ClientMiddleware {
  return async function* withReason(call, options) {
    try {
      return yield* call.next(call.request, options);
    } catch (error) {
      // A room's own failures carry details, though their words may be about a room that it calls in turn.
      if (!(error instanceof ClientError) || error instanceof RichClientError) throw error;
      const room = `the ${name} at ${address}`;
      const reason = reasonOf(error);
      if (reason !== undefined)
        throw new ClientError(call.method.path, Status.UNAVAILABLE, `${room} cannot be reached: ${reason}`);
      if (isUnknownMethod(error)) {
        const [, service = '', method = ''] = call.method.path.split('/');
        throw new ClientError(call.method.path, error.code, `${room} does not serve ${method} of ${service}`);
      }
      throw error;
    }
  };
}

function reasonOf({ code, details }: ClientError): string | undefined {
  // HTTP/2 closes a connection on which too many calls are cancelled, and every call on it ends so: no fault of theirs.
  if (code === Status.INTERNAL && /^Received RST_STREAM .*Session closed/.test(details))
    return 'the connection broke';
  if (code !== Status.UNAVAILABLE) return undefined;
  if (details.startsWith('Name resolution failed')) return 'its name is not known';
  const refused = /(?:connect|read|write) E[A-Z]+(?: [^\s]+:\d+)?/.exec(details)?.[0];
  if (refused !== undefined) return refused;
  if (/connection (?:established|dropped)|socket/i.test(details)) return 'the connection broke';
  return undefined;
}

/** As grpc-js, grpc-python and grpc-go put it. */
function isUnknownMethod({ code, details }: ClientError): boolean {
  const words = /does not implement the method|^Method not found|^unknown (?:service|method)/;
  return code === Status.UNIMPLEMENTED && words.test(details);
}
