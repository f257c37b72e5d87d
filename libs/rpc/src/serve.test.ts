import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createChannel, createClient, Metadata } from 'nice-grpc';
import { HealthDefinition } from 'nice-grpc-server-health';
import { ServerReflectionService } from 'nice-grpc-server-reflection';
import { ServerReflectionRequest } from 'nice-grpc-server-reflection/lib/proto/grpc/reflection/v1/reflection_pb.js';
import { describeError, readFailure } from './index.js';
import { codeOf, recordingLogger, ToyRooms, until } from './toy-rooms.js';

const name = 'backsight.environment.v1.EnvironmentService';
const rooms = new ToyRooms();
afterEach(() => rooms.close());

const environment = rooms.servedEnvironment.bind(rooms);

function channelTo(address: string) {
  const channel = createChannel(address);
  rooms.atClose(() => {
    channel.close();
  });
  return channel;
}

/** An answer that waits until it is let go. */
function gate() {
  const state = { waiting: 0, open: (): void => undefined };
  const opened = new Promise<void>((resolve) => (state.open = resolve));
  const describe = async () => {
    state.waiting += 1;
    await opened;
    return { name: 'gated' };
  };
  return { state, describe };
}

describe('serve', () => {
  it('picks a free port and says which', async () => {
    const { server } = await environment({});
    expect(server.address).toMatch(/^127\.0\.0\.1:[1-9]\d{3,4}$/);
  });

  it('says in one sentence that the address is taken', async () => {
    const { server } = await environment({});
    const problem = await environment({}, { address: server.address }).catch(describeError);
    expect(problem).toBe(
      `the address ${server.address} is in use by another process: stop that process or choose another address`,
    );
  });

  it('says the same of the metrics address, and leaves nothing listening', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    rooms.atClose(() => taken.close());
    await until(() => taken.listening);
    const metricsAddress = `127.0.0.1:${(taken.address() as { port: number }).port}`;
    const first = await environment({});
    const address = first.server.address;
    await first.server.shutdown(100);
    const problem = await environment({}, { address, metricsAddress }).catch(describeError);
    expect(problem).toMatch(`the address ${metricsAddress} is in use`);
    await expect(environment({}, { address })).resolves.toBeDefined();
  });

  it('refuses an address that this machine does not have', async () => {
    const problem = await environment({}, { address: '192.0.2.1:7103' }).catch(describeError);
    expect(problem).toMatch(/^the address 192\.0\.2\.1:7103 does not belong to this machine/);
  });

  it('keeps the request id of the caller, and gives one to those who have none', async () => {
    const { client } = await environment({});
    const sentBack: (string | undefined)[] = [];
    const onHeader = (header: Metadata) => sentBack.push(header.get('x-request-id'));
    await client.describe({}, { metadata: Metadata({ 'x-request-id': 'abc-1' }), onHeader });
    await client.describe({}, { metadata: Metadata({ 'x-request-id': 'two words' }), onHeader });
    await client.describe({}, { onHeader });
    expect(sentBack).toEqual([
      'abc-1',
      expect.stringMatching(/^[\w-]{36}$/),
      expect.stringMatching(/^[\w-]{36}$/),
    ]);
  });

  it('knows callers by the name they give themselves, else by where they connect from', async () => {
    const callers: string[] = [];
    const { client } = await environment({
      describe: (_request, { caller }) => {
        callers.push(caller);
        return Promise.resolve({});
      },
    });
    await client.describe({}, { metadata: Metadata({ 'x-caller': 'run-7' }) });
    await client.describe({}, { metadata: Metadata({ 'x-caller': 'two words' }) });
    await client.describe({});
    expect(callers).toEqual(['run-7', expect.stringMatching(/^127\.0\.0\.1:\d+$/), callers[1]]);
  });

  it('logs the cause of an unexpected error under the request id that the caller is told', async () => {
    const { logger, lines } = recordingLogger();
    const { client } = await environment(
      { describe: () => Promise.reject(new Error('disk on fire')) },
      { logger },
    );
    const failure = await client.describe({}).catch(readFailure);
    const logged = lines.find(({ level }) => level === 50);
    expect(logged).toMatchObject({ method: `${name}/Describe`, err: { message: 'disk on fire' } });
    expect(failure).toMatchObject({ code: 'INTERNAL', requestId: logged?.['requestId'] });
  });

  it('logs every call at debug level', async () => {
    const { logger, lines } = recordingLogger();
    const { client } = await environment({}, { logger });
    await client.describe({});
    expect(lines).toContainEqual(
      expect.objectContaining({ method: `${name}/Describe`, code: 'OK', level: 20 }),
    );
  });

  it('stops the work of a caller who drops a stream half-way', async () => {
    let freed = 0;
    const { client } = await environment({
      async *play(_requests, { signal }) {
        try {
          for (;;) {
            yield { payload: { $case: 'observation', value: {} } };
            await delay(10, undefined, { signal });
          }
        } finally {
          freed += 1;
        }
      },
    });
    for await (const _ of client.play(
      (async function* () {
        yield* await delay(5000, [], { ref: false });
      })(),
    ))
      break;
    await until(() => freed === 1);
  });

  it('answers RESOURCE_EXHAUSTED to a message above its limit', async () => {
    const { client } = await environment({}, { maxMessageBytes: 100_000 });
    expect(await codeOf(client.listTasks({ pageToken: 'x'.repeat(200_000) }))).toBe('RESOURCE_EXHAUSTED');
  });

  it('counts calls by method and code, and says over HTTP whether it serves', async () => {
    const { server, client } = await environment(
      { listTasks: () => Promise.reject(new Error('x')) },
      { metricsAddress: '127.0.0.1:0' },
    );
    await client.describe({});
    await codeOf(client.listTasks({}));
    const get = async (path: string) => {
      const response = await fetch(`http://${server.metricsAddress ?? ''}${path}`);
      return { status: response.status, text: await response.text() };
    };
    const { text } = await get('/metrics');
    expect(text).toContain(`grpc_server_handled_total{method="${name}/Describe",code="OK",room="test"} 1`);
    expect(text).toContain(
      `grpc_server_handled_total{method="${name}/ListTasks",code="INTERNAL",room="test"} 1`,
    );
    expect(text).toContain(`grpc_server_in_flight{method="${name}/Describe",room="test"} 0`);
    expect(text).toContain(`grpc_server_handling_seconds_count{room="test",method="${name}/Describe"} 1`);
    expect(await get('/healthz')).toEqual({ status: 200, text: 'serving\n' });
    expect((await get('/other')).status).toBe(404);
  });

  it('lists its services by reflection, and describes them', async () => {
    const { server } = await environment({});
    const client = createClient(ServerReflectionService, channelTo(server.address));
    const requests = async function* () {
      yield await Promise.resolve(new ServerReflectionRequest().setListServices(''));
      yield new ServerReflectionRequest().setFileContainingSymbol(`${name}.Play`);
    };
    const answers = [];
    for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer.toObject());
    expect(answers[0]?.listServicesResponse?.serviceList).toEqual([{ name }]);
    expect(answers[1]?.fileDescriptorResponse?.fileDescriptorProtoList).toHaveLength(1);
  });

  it('answers health checks of the server and of each service', async () => {
    const { server } = await environment({});
    const health = createClient(HealthDefinition, channelTo(server.address));
    expect((await health.check({ service: '' })).status).toBe(1);
    expect((await health.check({ service: name })).status).toBe(1);
    expect(await codeOf(health.check({ service: 'x.Y' }))).toBe('NOT_FOUND');
  });
});

describe('shutdown', () => {
  it('says NOT_SERVING for as long as the room says so, and takes calls all the same', async () => {
    const { server, client } = await environment({}, { metricsAddress: '127.0.0.1:0' });
    const health = createClient(HealthDefinition, channelTo(server.address));
    const probe = async () => (await fetch(`http://${server.metricsAddress ?? ''}/healthz`)).status;
    for (const serving of [false, true]) {
      server.setServing(serving);
      expect((await health.check({ service: '' })).status).toBe(serving ? 1 : 2);
      expect((await health.check({ service: name })).status).toBe(serving ? 1 : 2);
      expect((await health.check({ service: 'liveness' })).status).toBe(1);
      expect(await probe()).toBe(serving ? 200 : 503);
      expect((await client.describe({})).name).toBe('test');
    }
  });

  it('says NOT_SERVING first, then waits for the calls in flight', async () => {
    const { state, describe } = gate();
    const { server, client } = await environment({ describe });
    const health = createClient(HealthDefinition, channelTo(server.address));
    const watched: number[] = [];
    const watching = (async () => {
      for await (const { status } of health.watch({ service: '' })) watched.push(status);
    })().catch(() => watched.push(-1));
    const call = client.describe({});
    await until(() => state.waiting === 1 && watched.length === 1);

    let drained = false;
    const draining = server.shutdown(5000).then(() => (drained = true));
    await watching;
    expect(watched).toEqual([1, 2, -1]);
    expect(drained).toBe(false);
    state.open();
    expect(await call).toMatchObject({ name: 'gated' });
    await draining;
  });

  it('refuses calls that begin while it drains', async () => {
    const { state, describe } = gate();
    const { server, client } = await environment({ describe });
    const call = client.describe({});
    await until(() => state.waiting === 1);
    const draining = server.shutdown(5000);
    await delay(50);
    expect(await codeOf(client.listTasks({}))).toBe('UNAVAILABLE');
    state.open();
    await call;
    await draining;
  });

  it('ends what outlasts the grace period: callers read UNAVAILABLE, the work is told to stop', async () => {
    let stopped = 0;
    const wait = async (signal: AbortSignal) => {
      await delay(20_000, undefined, { signal }).finally(() => (stopped += 1));
    };
    const { server, client } = await environment({
      describe: async (_request, { signal }) => {
        await wait(signal);
        return {};
      },
      async *play(requests, { signal }) {
        for await (const _ of requests) yield { payload: { $case: 'observation', value: {} } };
        await wait(signal);
      },
    });
    const requests = async function* () {
      yield { payload: { $case: 'open' as const, value: { taskId: 'a' } } };
      await delay(20_000, undefined, { ref: false });
    };
    const observations: unknown[] = [];
    const read = async () => {
      for await (const response of client.play(requests())) observations.push(response);
    };
    const calls = [client.describe({}), read()].map((call) => call.then(() => undefined, readFailure));
    await until(() => observations.length === 1);
    const begun = performance.now();
    await server.shutdown(100);
    expect(performance.now() - begun).toBeLessThan(800);
    const away = { code: 'UNAVAILABLE', message: 'test is shutting down', retryAfterMs: 1000 };
    expect(await Promise.all(calls)).toMatchObject([away, away]);
    expect(stopped).toBe(1);
  });

  it('cuts the connection of a call that does not stop when told to', async () => {
    const { server, client } = await environment({
      describe: async () => {
        await delay(20_000, undefined, { ref: false });
        return {};
      },
    });
    const call = codeOf(client.describe({}));
    await delay(50);
    const begun = performance.now();
    await server.shutdown(50);
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(['CANCELLED', 'UNAVAILABLE']).toContain(await call);
  });

  it('ends once, however often it is asked to', async () => {
    const { server } = await environment({});
    expect(await Promise.all([server.shutdown(), server.shutdown()])).toEqual([undefined, undefined]);
  });

  it('frees the address', async () => {
    const { server } = await environment({});
    await server.shutdown();
    await expect(environment({}, { address: server.address })).resolves.toBeDefined();
  });
});
