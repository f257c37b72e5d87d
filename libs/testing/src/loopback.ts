/** A real server on a loopback port, for the length of a test. */
import {
  createLogger,
  type RunningServer,
  serve,
  type ServedService,
  type ServeOptions,
} from '@backsight/rpc';

/** What a test may set beside the services. */
export type LoopbackOptions = Partial<Omit<ServeOptions, 'services'>>;

/** Serves on a free loopback port, silently unless a logger is given. Whoever starts it shuts it down. */
export function startLoopback(
  services: readonly ServedService[],
  options: LoopbackOptions = {},
): Promise<RunningServer> {
  return serve({
    name: 'loopback',
    address: '127.0.0.1:0',
    logger: createLogger({ name: 'loopback', level: 'silent' }),
    ...options,
    services,
  });
}

/** Serves while `use` runs, then shuts down, whatever happens. Returns what `use` returns. */
export async function withServer<T>(
  services: readonly ServedService[],
  use: (address: string, server: RunningServer) => Promise<T>,
  options: LoopbackOptions = {},
): Promise<T> {
  const server = await startLoopback(services, options);
  try {
    return await use(server.address, server);
  } finally {
    await server.shutdown(200);
  }
}
