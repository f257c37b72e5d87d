/** Starts a coordinator: store, rooms, runs, service. */
import { CoordinatorServiceDefinition } from '@backsight/contract/coordinator';
import { createRegistry, type RoomContext, serve, service, type StartedRoom } from '@backsight/rpc';
import type { Config } from './config.js';
import { Coordinator } from './coordinator.js';
import { coordinatorMetrics } from './coordinator-metrics.js';
import { coordinatorService } from './coordinator-service.js';
import { openRooms } from './rooms/rooms.js';
import { openStore } from './store/store.js';
import { Watchers } from './watchers.js';

/** Serves, then goes on with what the last process left. On shutdown runs rest as they are, to go on at the next start. */
export async function startCoordinator(
  config: Config,
  { logger }: Pick<RoomContext, 'logger'>,
): Promise<StartedRoom> {
  const watchers = new Watchers();
  const store = await openStore(config.store, (runId) => {
    watchers.ring(runId);
  });
  const rooms = openRooms();
  const registry = createRegistry('coordinator');
  const coordinator = new Coordinator({
    store,
    rooms,
    watchers,
    logger,
    metrics: coordinatorMetrics(registry, store.runs),
    patienceMs: config.patienceSeconds * 1000,
    followers: config.followers,
  });
  const close = async (): Promise<void> => {
    await coordinator.close();
    rooms.close();
    await store.close();
  };
  try {
    const server = await serve({
      name: 'coordinator',
      address: config.address,
      services: [service(CoordinatorServiceDefinition, coordinatorService(coordinator, rooms))],
      logger,
      registry,
      metricsAddress: config.metricsAddress,
      maxConnectionAgeMs: config.maxConnectionAgeMs,
    });
    await coordinator.start();
    return {
      address: server.address,
      broken: coordinator.broken,
      shutdown: async (graceMs) => {
        watchers.dismiss();
        await coordinator.close();
        await server.shutdown(graceMs);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
