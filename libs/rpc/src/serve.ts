/** Serves a room's services over gRPC, with everything a room owes its callers and its operators. */
import { type ChannelOptions, createServer } from 'nice-grpc';
import { errorDetailsServerMiddleware } from 'nice-grpc-error-details';
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection';
import { readDescriptors } from '@backsight/contract/descriptors';
import { formatAddress, parseAddress } from './address.js';
import { callIdentity } from './call-identity.js';
import { endOnStop } from './end-on-stop.js';
import { failureMapping } from './failure-mapping.js';
import { createHealth } from './health.js';
import { redirectLibraryLog } from './library-log.js';
import { listenProblem } from './listen-problem.js';
import type { Logger } from './logger.js';
import { messageLimits } from './message-limits.js';
import { callMetrics, createRegistry, type Registry } from './metrics.js';
import { type MetricsServer, serveMetrics } from './metrics-server.js';
import type { ServedService } from './service.js';
import { followTrace } from './trace.js';
import { refuseUnreadable } from './unreadable.js';

/** How long calls may take to end once they are told to, in milliseconds; then their connections are cut. */
const forceAfterMs = 1000;

/** What to serve, where and how. */
export interface ServeOptions {
  /** The room's name, for logs and error messages. */
  readonly name: string;
  /** `host:port`; port 0 picks a free port. */
  readonly address: string;
  readonly services: readonly ServedService[];
  readonly logger: Logger;
  /** `host:port` of an HTTP server with /metrics and /healthz. Default: none. */
  readonly metricsAddress?: string | undefined;
  /** The registry that /metrics shows; pass one to add a room's own figures. Default: a new one. */
  readonly registry?: Registry | undefined;
  /** Largest message, both ways, in bytes. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Asks callers to connect anew after this long, in milliseconds, so that they find new replicas.
   * Calls begun before go on, for at most `connectionGraceMs`. Default: never.
   */
  readonly maxConnectionAgeMs?: number | undefined;
  /** How long calls of an aged connection may go on, in milliseconds. Default 1 hour. */
  readonly connectionGraceMs?: number | undefined;
}

/** A server that answers calls. */
export interface RunningServer {
  /** `host:port`, with the port it got. */
  readonly address: string;
  /** Where /metrics is, if anywhere. */
  readonly metricsAddress: string | undefined;
  /** Says SERVING or NOT_SERVING to those who ask for its health, as by a room that has lost what it stands on. Calls are taken either way. */
  setServing(serving: boolean): void;
  /**
   * Drains: says NOT_SERVING, takes no new calls, waits for those in flight for at most `graceMs` (default 10 s),
   * then ends what is left with UNAVAILABLE. Calling it again waits for the same end.
   */
  shutdown(graceMs?: number): Promise<void>;
}

/** Starts serving. Rejects with one sentence that names the address when it cannot be listened on. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { name, address, services, logger } = options;
  const { host } = parseAddress(address);
  redirectLibraryLog(logger);
  const names = services.map(({ fullName }) => fullName);
  const health = createHealth(names);
  const stopping = new AbortController();
  const registry = options.registry ?? createRegistry(name);

  const plain = createServer(channelOptions(options));
  const server = plain
    .use(followTrace)
    .use(callIdentity(logger, callMetrics(registry)))
    .use(errorDetailsServerMiddleware)
    .use(failureMapping(name))
    .use(endOnStop(name, stopping.signal))
    .use(refuseUnreadable);
  for (const each of services) each.addTo(server);
  health.addTo(server);
  server.add(ServerReflectionService, ServerReflection(readDescriptors(), names));

  const port = await server.listen(address).catch((error: unknown) => {
    throw listenProblem(address, error);
  });
  const metrics = await startMetrics(options, registry, () => health.isServing()).catch((error: unknown) => {
    server.forceShutdown();
    throw error;
  });

  const drain = async (graceMs: number): Promise<void> => {
    health.stopServing();
    const overdue = setTimeout(() => {
      stopping.abort();
    }, graceMs);
    const forced = setTimeout(() => {
      server.forceShutdown();
    }, graceMs + forceAfterMs);
    // One turn of the event loop lets those who watch hear NOT_SERVING before their stream ends.
    await new Promise((resolve) => setImmediate(resolve));
    health.endWatches();
    await server.shutdown();
    clearTimeout(overdue);
    clearTimeout(forced);
    await metrics?.close();
  };
  let drained: Promise<void> | undefined;
  return {
    address: formatAddress(host, port),
    metricsAddress: metrics?.address,
    setServing: (serving) => {
      health.setServing(serving);
    },
    shutdown: (graceMs = 10_000) => (drained ??= drain(graceMs)),
  };
}

function channelOptions(options: ServeOptions): ChannelOptions {
  return {
    ...messageLimits(options.maxMessageBytes),
    // A caller that vanished without a word is noticed within 80 seconds, and what it held is freed.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    ...(options.maxConnectionAgeMs === undefined
      ? {}
      : {
          'grpc.max_connection_age_ms': options.maxConnectionAgeMs,
          'grpc.max_connection_age_grace_ms': options.connectionGraceMs ?? 3_600_000,
        }),
  };
}

async function startMetrics(
  options: ServeOptions,
  registry: Registry,
  isServing: () => boolean,
): Promise<MetricsServer | undefined> {
  return options.metricsAddress === undefined
    ? undefined
    : serveMetrics(options.metricsAddress, registry, isServing);
}
