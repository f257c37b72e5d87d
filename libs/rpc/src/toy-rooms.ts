/** Rooms on loopback for the tests of callers. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  EnvironmentServiceDefinition,
  type EnvironmentServiceImplementation,
} from '@backsight/contract/environment';
import { connect, type ConnectOptions } from './connect.js';
import { createLogger } from './logger.js';
import { readFailure } from './read-failure.js';
import { serve } from './serve.js';
import { type ServedService, service } from './service.js';

export const silent = createLogger({ name: 'test', level: 'silent' });

/** What a test opens, closed together in the reverse order. */
export class ToyRooms {
  readonly #closers: (() => unknown)[] = [];

  /** Serves on a free port; resolves to the address. */
  async serving(...services: readonly ServedService[]): Promise<string> {
    const server = await serve({ name: 'test', address: '127.0.0.1:0', logger: silent, services });
    this.atClose(() => server.shutdown(100));
    return server.address;
  }

  /** Serves an environment and connects to it. */
  async environment(methods: Partial<EnvironmentServiceImplementation>, options?: ConnectOptions) {
    const address = await this.serving(toyEnvironment(methods));
    const connection = connect(EnvironmentServiceDefinition, address, options);
    this.atClose(connection.close);
    return { ...connection, address };
  }

  atClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** An environment of which only `describe` and `listTasks` matter. */
export const toyEnvironment = (methods: Partial<EnvironmentServiceImplementation>): ServedService =>
  service(EnvironmentServiceDefinition, {
    describe: () => Promise.resolve({ name: 'test' }),
    listTasks: () => Promise.resolve({}),
    play: async function* () {
      yield* await Promise.resolve([]);
    },
    ...methods,
  });

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
