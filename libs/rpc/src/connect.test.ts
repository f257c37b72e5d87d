import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  EnvironmentServiceDefinition,
  type EnvironmentServiceImplementation,
} from '@backsight/contract/environment';
import { PolicyServiceDefinition, type PolicyServiceImplementation } from '@backsight/contract/policy';
import { createClient, createChannel, Metadata } from 'nice-grpc';
import {
  connect,
  type ConnectOptions,
  createLogger,
  describeError,
  invalidArgument,
  parseAddress,
  readFailure,
  resourceExhausted,
  serve,
  type ServedService,
  service,
  unavailable,
  waitUntilServing,
} from './index.js';

const closers: (() => unknown)[] = [];
const logger = createLogger({ name: 'test', level: 'silent' });

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serving(...services: readonly ServedService[]): Promise<string> {
  const server = await serve({ name: 'test', address: '127.0.0.1:0', logger, services });
  closers.push(() => server.shutdown(100));
  return server.address;
}

/** A client of an environment of which only `describe` and `listTasks` matter. */
async function environment(methods: Partial<EnvironmentServiceImplementation>, options?: ConnectOptions) {
  const address = await serving(
    service(EnvironmentServiceDefinition, {
      describe: () => Promise.resolve({ name: 'test' }),
      listTasks: () => Promise.resolve({}),
      play: async function* () {
        yield* await Promise.resolve([]);
      },
      ...methods,
    }),
  );
  const connection = connect(EnvironmentServiceDefinition, address, options);
  closers.push(connection.close);
  return { ...connection, address };
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'OK',
    (error: unknown) => readFailure(error)?.code,
  );

/** Waits for a condition that another process or task brings about. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) await delay(10);
  expect(condition()).toBe(true);
}

/** A method that works until it is told to stop, and notes that it was. */
function patient() {
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

/** A way to the address that can be cut. */
async function breakable(address: string) {
  const { host, port } = parseAddress(address);
  const sockets: Socket[] = [];
  const proxy = createServer((near) => {
    const far = createConnection(port, host);
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const bound = proxy.address() as AddressInfo;
  return {
    address: `127.0.0.1:${bound.port}`,
    cut,
    close: () => {
      cut();
      proxy.close();
    },
  };
}

describe('connect', () => {
  it('ends a unary call at its deadline, and says which call', async () => {
    const { seen, describe } = patient();
    const { client } = await environment({ describe }, { deadlineMs: 80, retry: false });
    await client.listTasks({}, { deadlineMs: 20_000 }); // the connection is there, however busy the machine
    await expect(client.describe({})).rejects.toThrow(
      'backsight.environment.v1.EnvironmentService/Describe did not answer within 80 ms',
    );
    await until(() => seen.stopped === 1);
  });

  it('tells the room its deadline, so that the room stops even when the caller is cut off', async () => {
    const { seen, describe } = patient();
    const { address } = await environment({ describe });
    const channel = createChannel(address);
    closers.push(() => {
      channel.close();
    });
    // As sent by `connect`, but without the caller's own timer.
    const metadata = Metadata({ 'grpc-timeout': '80m' });
    const call = createClient(EnvironmentServiceDefinition, channel).describe({}, { metadata });
    expect(await codeOf(call)).toBe('DEADLINE_EXCEEDED');
    await until(() => seen.stopped === 1);
  });

  it('takes the deadline of the call over that of the connection', async () => {
    const { describe } = patient();
    const { client } = await environment({ describe }, { deadlineMs: 60_000, retry: false });
    expect(await codeOf(client.describe({}, { deadlineMs: 50 }))).toBe('DEADLINE_EXCEEDED');
  });

  it('takes an infinite deadline for none', async () => {
    const { client } = await environment({});
    expect(await client.describe({}, { deadlineMs: Infinity })).toMatchObject({ name: 'test' });
  });

  it('ends a stream at its deadline', async () => {
    const { client } = await environment({
      async *play(_requests, { signal }) {
        yield { payload: { $case: 'observation', value: {} } };
        await delay(10_000, undefined, { signal });
      },
    });
    const read = async () => {
      for await (const _ of client.play(
        (async function* () {
          yield* await delay(0, []);
        })(),
        { deadlineMs: 80 },
      ));
    };
    expect(await codeOf(read())).toBe('DEADLINE_EXCEEDED');
  });

  it('cancels the work in the room when the caller aborts, whatever its reason', async () => {
    const { seen, describe } = patient();
    const { client } = await environment({ describe });
    const caller = new AbortController();
    const call = client.describe({}, { signal: caller.signal });
    await until(() => seen.begun === 1);
    caller.abort('no longer interested');
    expect(await codeOf(call)).toBe('CANCELLED');
    await until(() => seen.stopped === 1);
  });

  it('ends the calls in flight when it is closed', async () => {
    const { seen, describe } = patient();
    const { client, close } = await environment({ describe });
    const call = client.describe({});
    await until(() => seen.begun === 1);
    close();
    expect(await codeOf(call)).toBe('CANCELLED');
    await until(() => seen.stopped === 1);
  });

  it('carries messages of 20 MB both ways', async () => {
    const { client } = await environment({
      listTasks: ({ pageToken }) => Promise.resolve({ nextPageToken: pageToken }),
    });
    const pageToken = 'x'.repeat(20_000_000);
    expect((await client.listTasks({ pageToken })).nextPageToken).toHaveLength(pageToken.length);
  });

  it('refuses to send a message above its limit', async () => {
    const { client } = await environment({}, { maxMessageBytes: 1_000_000, retry: false });
    const call = client.listTasks({ pageToken: 'x'.repeat(1_100_000) });
    expect(await codeOf(call)).toBe('RESOURCE_EXHAUSTED');
  });

  it('refuses an address that is none', () => {
    expect(() => connect(EnvironmentServiceDefinition, 'localhost')).toThrow(
      '"localhost" is not an address: write host:port, for example 127.0.0.1:7101',
    );
  });

  it('reads UNAVAILABLE, with the address, when nobody listens', async () => {
    const connection = connect(EnvironmentServiceDefinition, '127.0.0.1:9', { retry: false });
    closers.push(connection.close);
    const problem = await connection.client.describe({}).catch(describeError);
    expect(problem).toBe('the room at 127.0.0.1:9 cannot be reached: connect ECONNREFUSED 127.0.0.1:9');
  });

  it('calls the room by its name, and leaves what a room says of others as it is', async () => {
    const away = connect(EnvironmentServiceDefinition, '127.0.0.1:9', { name: 'judge', retry: false });
    const { client } = await environment({ describe: () => away.client.describe({}) }, { retry: false });
    closers.push(away.close);
    expect(await client.describe({}).catch(describeError)).toBe(
      'the judge at 127.0.0.1:9 cannot be reached: connect ECONNREFUSED 127.0.0.1:9',
    );
  });

  it('says that a room is another than expected', async () => {
    const { address } = await environment({});
    const connection = connect(PolicyServiceDefinition, address, { name: 'policy', retry: false });
    closers.push(connection.close);
    const failure = readFailure(await connection.client.describe({}).catch((error: unknown) => error));
    expect(failure).toMatchObject({
      code: 'UNIMPLEMENTED',
      message: `the policy at ${address} does not serve Describe of backsight.policy.v1.PolicyService`,
    });
  });

  it('reads UNAVAILABLE when the network breaks in the middle of a call', async () => {
    const { seen, describe } = patient();
    const { address } = await environment({ describe });
    const network = await breakable(address);
    closers.push(network.close);
    const connection = connect(EnvironmentServiceDefinition, network.address, { retry: false });
    closers.push(connection.close);
    const call = codeOf(connection.client.describe({}));
    await until(() => seen.begun === 1);
    network.cut();
    expect(await call).toBe('UNAVAILABLE');
    await until(() => seen.stopped === 1);
  });
});

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
    const { client } = await environment({ describe }, { retry: false, deadlineMs: 300_000 });
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
    const { client } = await environment({ describe }, { retry: quick });
    expect(await client.describe({})).toMatchObject({ name: 'test' });
    expect(times).toHaveLength(3);
  });

  it('gives up after as many calls as the policy says', async () => {
    const { times, describe } = failing(Array.from({ length: 9 }, () => unavailable('away', 0)));
    const { client } = await environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}))).toBe('UNAVAILABLE');
    expect(times).toHaveLength(3);
  });

  it('waits at least as long as the room asks', async () => {
    const { times, describe } = failing([resourceExhausted('full', 300)]);
    const { client } = await environment({ describe }, { retry: quick });
    await client.describe({});
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(295);
  });

  it('doubles its waits, each drawn from the upper half of its bound', async () => {
    const { times, describe } = failing([1, 2, 3].map(() => unavailable('away', 0)));
    const { client } = await environment(
      { describe },
      { retry: { attempts: 4, baseDelayMs: 40, maxDelayMs: 80 } },
    );
    await client.describe({});
    const waits = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    for (const [i, bound] of [40, 80, 80].entries()) expect(waits[i]).toBeGreaterThanOrEqual(bound / 2 - 2);
  });

  it('does not repeat what can never be right', async () => {
    const { times, describe } = failing([invalidArgument([{ field: 'x', description: 'is wrong' }])]);
    const { client } = await environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}))).toBe('INVALID_ARGUMENT');
    expect(times).toHaveLength(1);
  });

  it('never repeats when told so, by the connection or by the call', async () => {
    const { times, describe } = failing([unavailable('away', 0), unavailable('away', 0)]);
    const { client, address } = await environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}, { retry: false }))).toBe('UNAVAILABLE');
    const never = connect(EnvironmentServiceDefinition, address, { retry: false });
    closers.push(never.close);
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
    const address = await serving(
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
    );
    const { client, close } = connect(PolicyServiceDefinition, address, { retry: quick });
    closers.push(close);
    expect(await codeOf(client.trainStep(stream()))).toBe('UNAVAILABLE');
    expect(await codeOf(client.trainStep(stream(), { retry: true }))).toBe('UNAVAILABLE');
    expect(calls).toBe(2); // a stream of requests can be sent only once, so it is never repeated
  });

  it('stops waiting when the caller aborts or the deadline passes', async () => {
    const { describe } = failing([1, 2].map(() => resourceExhausted('full', 20_000)));
    const { client } = await environment({ describe }, { retry: quick });
    expect(await codeOf(client.describe({}, { signal: AbortSignal.timeout(50) }))).toBe('CANCELLED');
    expect(await codeOf(client.describe({}, { deadlineMs: 50 }))).toBe('DEADLINE_EXCEEDED');
  });

  it('reaches a room that starts late', async () => {
    const probe = await serve({ name: 'probe', address: '127.0.0.1:0', logger, services: [] });
    await probe.shutdown(100);
    const { client, close } = connect(EnvironmentServiceDefinition, probe.address, {
      retry: { attempts: 20, baseDelayMs: 50, maxDelayMs: 200 },
    });
    closers.push(close);
    const call = client.describe({});
    await delay(200);
    const server = await serve({
      name: 'late',
      address: probe.address,
      logger,
      services: [
        service(EnvironmentServiceDefinition, {
          describe: () => Promise.resolve({ name: 'late' }),
          listTasks: () => Promise.resolve({}),
          play: async function* () {
            yield* await Promise.resolve([]);
          },
        }),
      ],
    });
    closers.push(() => server.shutdown(100));
    expect(await call).toMatchObject({ name: 'late' });
  });
});

describe('waitUntilServing', () => {
  it('resolves once the room serves', async () => {
    await expect(waitUntilServing(await serving(), { timeoutMs: 5000 })).resolves.toBeUndefined();
  });

  it('says in one sentence that nobody serves', async () => {
    const problem = await waitUntilServing('127.0.0.1:9', { timeoutMs: 100 }).catch(describeError);
    expect(problem).toMatch(/^no room serves at 127\.0\.0\.1:9 after 100 ms: /);
  });

  it('gives up when the signal aborts', async () => {
    const begun = performance.now();
    const waiting = waitUntilServing('127.0.0.1:9', { timeoutMs: 20_000, signal: AbortSignal.timeout(50) });
    await expect(waiting).rejects.toBeDefined();
    expect(performance.now() - begun).toBeLessThan(2000);
  });
});
