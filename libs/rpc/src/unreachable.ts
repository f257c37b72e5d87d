/** Client middleware: says in one sentence which room could not be reached, and why. */
import { ClientError, type ClientMiddleware, Status } from 'nice-grpc';

/** Rewords what the gRPC library says when there is no connection, or no longer; a room's own UNAVAILABLE stays as it is. */
export function unreachable(address: string): ClientMiddleware {
  return async function* withReason(call, options) {
    try {
      return yield* call.next(call.request, options);
    } catch (error) {
      const reason = error instanceof ClientError ? reasonOf(error) : undefined;
      if (reason === undefined) throw error;
      const sentence = `the room at ${address} cannot be reached: ${reason}`;
      throw new ClientError(call.method.path, Status.UNAVAILABLE, sentence);
    }
  };
}

function reasonOf({ code, details }: ClientError): string | undefined {
  if (code !== Status.UNAVAILABLE) return undefined;
  if (details.startsWith('Name resolution failed')) return 'its name is not known';
  const refused = /(?:connect|read|write) E[A-Z]+(?: [^\s]+:\d+)?/.exec(details)?.[0];
  if (refused !== undefined) return refused;
  if (/connection (?:established|dropped)|socket/i.test(details)) return 'the connection broke';
  return undefined;
}
