/** The figures of a server, in Prometheus' text format. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Per-method figures of the calls a server answers. */
export interface CallMetrics {
  /** Counts a call as begun; the answer counts it as ended, with the name of its status code. */
  begin(method: string): (code: string) => void;
}

/** A registry with the process's own figures (memory, event loop lag, ...); rooms add theirs. */
export function createRegistry(room: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ room });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Registers calls by code, their latency and those in flight. */
export function callMetrics(registry: Registry): CallMetrics {
  const registers = [registry];
  const ended = new Counter({
    name: 'grpc_server_handled_total',
    help: 'Calls ended, by method and status code.',
    labelNames: ['method', 'code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'grpc_server_handling_seconds',
    help: 'Time from the first byte of a call to its status, by method.',
    labelNames: ['method'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800],
    registers,
  });
  const inFlight = new Gauge({
    name: 'grpc_server_in_flight',
    help: 'Calls begun and not ended, by method.',
    labelNames: ['method'],
    registers,
  });
  return {
    begin: (method) => {
      const stop = seconds.startTimer({ method });
      inFlight.inc({ method });
      return (code) => {
        stop();
        inFlight.dec({ method });
        ended.inc({ method, code });
      };
    },
  };
}
