/** Pairs a service's definition with what implements it. */
import type { CallContext, Server, ServiceImplementation } from 'nice-grpc';
import type { TsProtoServiceDefinition } from 'nice-grpc';
import type { Logger } from './logger.js';
import { lenient } from './unreadable.js';

/** What every method is given beside nice-grpc's own call context. */
export interface CallIdentity {
  /** From the caller's `x-request-id`, else drawn; sent back in the same header. */
  readonly requestId: string;
  /** Whom to be fair to: from the caller's `x-caller`, else the address that its connection comes from. */
  readonly caller: string;
  /** A logger that puts the request id and the method on every line. */
  readonly logger: Logger;
}

/** The context of a call within a room. */
export type RoomCallContext = CallContext & CallIdentity;

/** A service ready to be served. */
export interface ServedService {
  /** For example `backsight.policy.v1.PolicyService`. */
  readonly fullName: string;
  /** Adds it to a server. */
  readonly addTo: (server: Server<CallIdentity>) => void;
}

/** Pairs a definition with its implementation; the compiler checks that they fit. */
export function service<Definition extends TsProtoServiceDefinition>(
  definition: Definition,
  implementation: ServiceImplementation<Definition, CallIdentity>,
): ServedService {
  return {
    fullName: definition.fullName,
    addTo: (server) => {
      server.add(lenient(definition), implementation);
    },
  };
}
