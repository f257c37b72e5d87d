import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  EnvironmentServiceDefinition,
  type EnvironmentServiceImplementation,
} from '@backsight/contract/environment';
import { PolicyServiceDefinition, type PolicyServiceImplementation } from '@backsight/contract/policy';
import {
  connect,
  invalidArgument,
  readFailure,
  resourceExhausted,
  serve,
  service,
  unavailable,
} from './index.js';
import { codeOf, silent, toyEnvironment, ToyRooms, until } from './toy-rooms.js';

const rooms = new ToyRooms();
afterEach(() => rooms.close());

describe('retry', () => {
  const failing = (errors: readonly Error[]) => {
    const times: number[] = [];
    const describe: EnvironmentServiceImplementation['describe'] = () => {
      times.push(performance.now());
      const error = errors[times.length - 1];
      return error === undefined ? Promise.resolve({ name: 'test' }) : Promise.reject(error);
    };
    return { times, describe };
  };
  const quick = { attempts: 3, baseDelayMs: 10 };

  it('reads UNAVAILABLE when HTTP/2 gives up a connection on which calls were cancelled by the thousand', async () => {
    const seen = { begun: 0 };
    const describe: EnvironmentServiceImplementation['describe'] = async (_request, { signal }) => {
      seen.begun += 1;
      await delay(600_000, undefined, { signal });
      return {};
    };
    const { client } = await rooms.environment({ describe }, { retry: false, deadlineMs: 300_000 });
    const held = client.describe({}).then(
      () => undefined,
      (error: unknown) => readFailure(error),
    );
    await until(() => seen.begun === 1);
    // HTTP/2 forgives a thousand in a burst, and 33 a second.
    for (let round = 0; round < 4; round++) {
      const controller = new AbortController();
      const calls = Array.from({ length: 300 }, () => client.describe({}, { signal: controller.signal }));
      const begun = seen.begun;
      await until(() => seen.begun > begun);
      controller.abort();
      await Promise.allSettled(calls);
    }
    const failure = await held;
    expect(failure?.code).toBe('UNAVAILABLE');
    expect(failure?.message).toMatch(/cannot be reached: the connection broke$/);
    expect(await codeOf(client.listTasks({}))).toBe('OK');
  });

  it('calls an idempotent method again until it answers', async () => {
    const { times, describe } = failing([unavailable('away', 0), resourceExhausted('full', 0)]);
    const { client } = await rooms.environment({ describe }, { retry: quick });
    expect(await client.describe({})).toMatchObject({ name: 'test' });
    expect(times).toHaveLength(3);
  });

  it('gives up after as many calls as the policy says', async () => {
    const { times, describe } = failing(Array.from({ length: 9 }, () => unavailable('away', 0)));
    const { client } = await rooms.environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}))).toBe('UNAVAILABLE');
    expect(times).toHaveLength(3);
  });

  it('waits at least as long as the room asks', async () => {
    const { times, describe } = failing([resourceExhausted('full', 300)]);
    const { client } = await rooms.environment({ describe }, { retry: quick });
    await client.describe({});
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(295);
  });

  it('doubles its waits, each drawn from the upper half of its bound', async () => {
    const { times, describe } = failing([1, 2, 3].map(() => unavailable('away', 0)));
    const { client } = await rooms.environment(
      { describe },
      { retry: { attempts: 4, baseDelayMs: 40, maxDelayMs: 80 } },
    );
    await client.describe({});
    const waits = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    for (const [i, bound] of [40, 80, 80].entries()) expect(waits[i]).toBeGreaterThanOrEqual(bound / 2 - 2);
  });

  it('does not repeat what can never be right', async () => {
    const { times, describe } = failing([invalidArgument([{ field: 'x', description: 'is wrong' }])]);
    const { client } = await rooms.environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}))).toBe('INVALID_ARGUMENT');
    expect(times).toHaveLength(1);
  });

  it('never repeats when told so, by the connection or by the call', async () => {
    const { times, describe } = failing([unavailable('away', 0), unavailable('away', 0)]);
    const { client, address } = await rooms.environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}, { retry: false }))).toBe('UNAVAILABLE');
    const never = connect(EnvironmentServiceDefinition, address, { retry: false });
    rooms.atClose(never.close);
    expect(await codeOf(never.client.describe({}))).toBe('UNAVAILABLE');
    expect(times).toHaveLength(2);
  });

  it('repeats a method that the contract does not call idempotent only when the call says so', async () => {
    let calls = 0;
    const answer = () => Promise.reject(unavailable('away', 0));
    const trainStep: PolicyServiceImplementation['trainStep'] = () => {
      calls += 1;
      return answer();
    };
    const stream = async function* () {
      yield* await Promise.resolve([]);
    };
    const { address } = await rooms.served([
      service(PolicyServiceDefinition, {
        describe: answer,
        generate: stream,
        score: answer,
        trainStep,
        saveCheckpoint: answer,
        restoreCheckpoint: answer,
        listCheckpoints: answer,
        exportCheckpoint: answer,
        pullWeights: stream,
      }),
    ]);
    const { client, close } = connect(PolicyServiceDefinition, address, { retry: quick });
    rooms.atClose(close);
    expect(await codeOf(client.trainStep(stream()))).toBe('UNAVAILABLE');
    expect(await codeOf(client.trainStep(stream(), { retry: true }))).toBe('UNAVAILABLE');
    expect(calls).toBe(2); // a stream of requests can be sent only once, so it is never repeated
  });

  it('stops waiting when the caller aborts or the deadline passes', async () => {
    const { describe } = failing([1, 2].map(() => resourceExhausted('full', 20_000)));
    const { client } = await rooms.environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}, { signal: AbortSignal.timeout(50) }))).toBe('CANCELLED');
    expect(await codeOf(client.describe({}, { deadlineMs: 50 }))).toBe('DEADLINE_EXCEEDED');
  });

  it('reaches a room that starts late', async () => {
    const probe = await serve({ name: 'probe', address: '127.0.0.1:0', logger: silent, services: [] });
    await probe.shutdown(100);
    const { client, close } = connect(EnvironmentServiceDefinition, probe.address, {
      retry: { attempts: 20, baseDelayMs: 50, maxDelayMs: 200 },
    });
    rooms.atClose(close);
    const call = client.describe({});
    await delay(200);
    const server = await serve({
      name: 'late',
      address: probe.address,
      logger: silent,
      services: [toyEnvironment({ describe: () => Promise.resolve({ name: 'late' }) })],
    });
    rooms.atClose(() => server.shutdown(100));
    expect(await call).toMatchObject({ name: 'late' });
  });
});
