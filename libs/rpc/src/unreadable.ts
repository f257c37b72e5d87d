/** Requests that cannot be read as the contract says: refused with the field that is wrong, as every other wrong field is. */
import type { MethodDescriptor } from 'nice-grpc-common';
import type { ServerMiddleware, TsProtoServiceDefinition } from 'nice-grpc';
import { unreadableField } from '@backsight/contract/unreadable-field';
import { invalidArgument } from './failures.js';
import { messageOf } from './thrown.js';

/** Stands for a request that could not be decoded. */
class Unreadable {
  constructor(
    readonly bytes: Uint8Array,
    readonly cause: unknown,
  ) {}
}

/** The same definition; what it cannot decode becomes an Unreadable, since the gRPC library would answer INTERNAL. */
export function lenient<Definition extends TsProtoServiceDefinition>(definition: Definition): Definition {
  const methods = Object.entries(definition.methods).map(([name, method]) => {
    const decode = (bytes: Uint8Array): unknown => {
      try {
        const request: unknown = method.requestType.decode(bytes);
        return request;
      } catch (cause) {
        return new Unreadable(bytes, cause);
      }
    };
    return [name, { ...method, requestType: { ...method.requestType, decode } }] as const;
  });
  return { ...definition, methods: Object.fromEntries(methods) };
}

/** Server middleware: INVALID_ARGUMENT for a request, or a message of a stream, that could not be decoded. */
export const refuseUnreadable: ServerMiddleware = async function* refuse(call, context) {
  if (call.requestStream) return yield* call.next(readableOnly(call.request, call.method), context);
  throwIfUnreadable(call.request, call.method);
  return yield* call.next(call.request, context);
};

async function* readableOnly<T>(
  requests: AsyncIterable<T>,
  method: MethodDescriptor,
): AsyncGenerator<T, void, void> {
  for await (const request of requests) {
    throwIfUnreadable(request, method);
    yield request;
  }
}

function throwIfUnreadable(request: unknown, method: MethodDescriptor): void {
  if (!(request instanceof Unreadable)) return;
  const description = `the request cannot be decoded: ${messageOf(request.cause)}`;
  throw invalidArgument([unreadableField(method.path, request.bytes) ?? { field: '', description }]);
}
