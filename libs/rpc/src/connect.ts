/** Connects to a room: a typed client with deadlines, retries, message limits and balancing over replicas. */
import { type Channel, type Client, createChannel, createClientFactory } from 'nice-grpc';
import type { TsProtoServiceDefinition } from 'nice-grpc';
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details';
import { parseAddress } from './address.js';
import { callLifetime, type DeadlineOptions } from './call-lifetime.js';
import { messageLimits } from './message-limits.js';
import { retryMiddleware, type RetryOptions, type RetryPolicy } from './retry.js';
import { carryTrace } from './trace.js';
import { unreachable } from './unreachable.js';

/** How to talk to a room. */
export interface ConnectOptions {
  /** What the room is called in the sentence that says that it cannot be reached. Default `room`. */
  readonly name?: string | undefined;
  /** Deadline of unary calls that name none, in milliseconds. Default 60,000. */
  readonly deadlineMs?: number | undefined;
  /** Deadline of streams that name none, in milliseconds. Default 3,600,000. */
  readonly streamDeadlineMs?: number | undefined;
  /** How idempotent unary calls are tried again; `false` never. */
  readonly retry?: RetryPolicy | false | undefined;
  /** Largest message, both ways, in bytes. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
}

/** What a call may be given beside nice-grpc's own options (metadata, signal). */
export type RoomCallOptions = DeadlineOptions & RetryOptions;

/** A connection to a room; it opens on the first call and again whenever it breaks. */
export interface Connection<Definition extends TsProtoServiceDefinition> {
  readonly address: string;
  readonly client: Client<Definition, RoomCallOptions>;
  /** Ends the calls in flight and frees the sockets. */
  readonly close: () => void;
}

/** Connects to the service of that definition at `host:port`. */
export function connect<Definition extends TsProtoServiceDefinition>(
  definition: Definition,
  address: string,
  options: ConnectOptions = {},
): Connection<Definition> {
  const channel = openChannel(address, options.maxMessageBytes);
  const closing = new AbortController();
  // The last one attached meets a call first: the deadline spans the retries, which read the details of a failure.
  const client = createClientFactory()
    .use(carryTrace)
    .use(errorDetailsClientMiddleware)
    .use(unreachable(options.name ?? 'room', address))
    .use(retryMiddleware(options.retry ?? {}))
    .use(
      callLifetime({
        unaryMs: options.deadlineMs ?? 60_000,
        streamMs: options.streamDeadlineMs ?? 3_600_000,
        closing: closing.signal,
      }),
    )
    .create(definition, channel);
  return {
    address,
    client,
    close: () => {
      closing.abort();
      channel.close();
    },
  };
}

/** A plaintext channel that spreads calls over all replicas behind the name. */
function openChannel(address: string, maxMessageBytes?: number): Channel {
  parseAddress(address);
  return createChannel(address, undefined, {
    ...messageLimits(maxMessageBytes),
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 5000,
    // Not below the five minutes that gRPC servers of other languages allow between pings.
    'grpc.keepalive_time_ms': 330_000,
    'grpc.keepalive_timeout_ms': 20_000,
  });
}
