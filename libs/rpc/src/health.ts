/** The health service (grpc.health.v1) of a server: serving from its start until it drains. */
import type { Server, ServerMiddleware } from 'nice-grpc';
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health';

/** The health of a server and of each of its services. */
export interface Health {
  addTo(server: Server): void;
  isServing(): boolean;
  /** Tells whether the server can serve for now; once it has stopped serving, this is without effect. */
  setServing(serving: boolean): void;
  /** Tells all who ask and all who watch that the server no longer serves. */
  stopServing(): void;
  /** Ends the streams of those who watch; without it a graceful shutdown would wait for them. */
  endWatches(): void;
}

/** What a liveness probe asks: a room that cannot serve for now, or that drains, is not to be killed for it. */
const LIVENESS = 'liveness';

/** Health of a server with the given services; the empty name stands for the whole server, `liveness` for its process. */
export function createHealth(services: readonly string[]): Health {
  const state = HealthState();
  const ended = new AbortController();
  const endable: ServerMiddleware = async function* endOnDrain(call, context) {
    const signal = call.responseStream ? AbortSignal.any([context.signal, ended.signal]) : context.signal;
    return yield* call.next(call.request, { ...context, signal });
  };
  let stopped = false;
  const tell = (serving: boolean) => {
    for (const name of ['', ...services]) state.setStatus(serving ? 'healthy' : 'unhealthy', name);
  };
  tell(true);
  state.setStatus('healthy', LIVENESS);
  return {
    addTo: (server) => {
      server.with(endable).add(HealthDefinition, HealthServiceImpl(state));
    },
    isServing: () => state.getStatus('') === 'healthy',
    setServing: (serving) => {
      if (!stopped) tell(serving);
    },
    stopServing: () => {
      stopped = true;
      tell(false);
    },
    endWatches: () => {
      ended.abort();
    },
  };
}
