/** Rooms on loopback for the tests of servers and of callers. */
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  EnvironmentServiceDefinition,
  type EnvironmentServiceImplementation,
} from '@backsight/contract/environment';
import { pino } from 'pino';
import { connect, type ConnectOptions } from './connect.js';
import { createLogger, type Logger } from './logger.js';
import { readFailure } from './read-failure.js';
import { type RunningServer, serve, type ServeOptions } from './serve.js';
import { type CallIdentity, type ServedService, service } from './service.js';
import { traceFields } from './trace.js';

/** What an environment of a test answers, where it matters. */
export type ToyMethods = Partial<EnvironmentServiceImplementation<CallIdentity>>;

export const silent = createLogger({ name: 'test', level: 'silent' });

/** What a test opens, closed together in the reverse order. */
export class ToyRooms {
  readonly #closers: (() => unknown)[] = [];

  /** Serves on a free port without a word, unless the options say otherwise. */
  async served(
    services: readonly ServedService[],
    options: Partial<ServeOptions> = {},
  ): Promise<RunningServer> {
    const server = await serve({
      name: 'test',
      address: '127.0.0.1:0',
      logger: silent,
      services,
      ...options,
    });
    this.atClose(() => server.shutdown(100));
    return server;
  }

  /** Serves an environment and connects to it. */
  async environment(methods: ToyMethods, options?: ConnectOptions) {
    const { address } = await this.served([toyEnvironment(methods)]);
    const connection = connect(EnvironmentServiceDefinition, address, options);
    this.atClose(connection.close);
    return { ...connection, address };
  }

  /** Serves an environment as the options say, and connects to it with a client that asks once. */
  async servedEnvironment(methods: ToyMethods, options?: Partial<ServeOptions>) {
    const server = await this.served([toyEnvironment(methods)], options);
    const { client, close } = connect(EnvironmentServiceDefinition, server.address, { retry: false });
    this.atClose(close);
    return { server, client };
  }

  atClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** An environment of which only those methods matter that are given. */
export const toyEnvironment = (methods: ToyMethods): ServedService =>
  service(EnvironmentServiceDefinition, {
    describe: () => Promise.resolve({ name: 'test' }),
    listTasks: () => Promise.resolve({}),
    play: async function* () {
      yield* await Promise.resolve([]);
    },
    ...methods,
  });

/** A logger that writes its lines down as a room's does. */
export function recordingLogger(): {
  readonly logger: Logger;
  readonly lines: readonly Readonly<Record<string, unknown>>[];
} {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      const line: unknown = JSON.parse(String(chunk));
      if (typeof line === 'object') lines.push({ ...line });
      done();
    },
  });
  return { logger: pino({ level: 'debug', mixin: traceFields }, sink), lines };
}

/** How a call ended: OK or the code of its failure. */
export const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'OK',
    (error: unknown) => readFailure(error)?.code,
  );

/** A method that works until it is told to stop, and notes that it was. */
export function patient() {
  const seen = { begun: 0, stopped: 0 };
  const describe: EnvironmentServiceImplementation['describe'] = async (_request, { signal }) => {
    seen.begun += 1;
    await delay(10_000, undefined, { signal }).catch((error: unknown) => {
      seen.stopped += 1;
      throw error;
    });
    return {};
  };
  return { seen, describe };
}

/** Waits for a condition that another process or task brings about. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) await delay(10);
  if (!condition()) throw new Error(`this did not come about within 2 s: ${String(condition)}`);
}
