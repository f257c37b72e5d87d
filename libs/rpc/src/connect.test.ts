import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import { createClient, createChannel, Metadata } from 'nice-grpc';
import { connect, describeError, parseAddress, readFailure } from './index.js';
import { codeOf, patient, ToyRooms, until } from './toy-rooms.js';

const rooms = new ToyRooms();
afterEach(() => rooms.close());

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
    const { client } = await rooms.environment({ describe }, { deadlineMs: 80, retry: false });
    await client.listTasks({}, { deadlineMs: 20_000 }); // the connection is there, however busy the machine
    await expect(client.describe({})).rejects.toThrow(
      'backsight.environment.v1.EnvironmentService/Describe did not answer within 80 ms',
    );
    await until(() => seen.stopped === 1);
  });

  it('tells the room its deadline, so that the room stops even when the caller is cut off', async () => {
    const { seen, describe } = patient();
    const { address } = await rooms.environment({ describe });
    const channel = createChannel(address);
    rooms.atClose(() => {
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
    const { client } = await rooms.environment({ describe }, { deadlineMs: 60_000, retry: false });
    expect(await codeOf(client.describe({}, { deadlineMs: 50 }))).toBe('DEADLINE_EXCEEDED');
  });

  it('takes an infinite deadline for none', async () => {
    const { client } = await rooms.environment({});
    expect(await client.describe({}, { deadlineMs: Infinity })).toMatchObject({ name: 'test' });
  });

  it('ends a stream at its deadline', async () => {
    const { client } = await rooms.environment({
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
    const { client } = await rooms.environment({ describe });
    const caller = new AbortController();
    const call = client.describe({}, { signal: caller.signal });
    await until(() => seen.begun === 1);
    caller.abort('no longer interested');
    expect(await codeOf(call)).toBe('CANCELLED');
    await until(() => seen.stopped === 1);
  });

  it('ends the calls in flight when it is closed', async () => {
    const { seen, describe } = patient();
    const { client, close } = await rooms.environment({ describe });
    const call = client.describe({});
    await until(() => seen.begun === 1);
    close();
    expect(await codeOf(call)).toBe('CANCELLED');
    await until(() => seen.stopped === 1);
  });

  it('carries messages of 20 MB both ways', async () => {
    const { client } = await rooms.environment({
      listTasks: ({ pageToken }) => Promise.resolve({ nextPageToken: pageToken }),
    });
    const pageToken = 'x'.repeat(20_000_000);
    expect((await client.listTasks({ pageToken })).nextPageToken).toHaveLength(pageToken.length);
  });

  it('refuses to send a message above its limit', async () => {
    const { client } = await rooms.environment({}, { maxMessageBytes: 1_000_000, retry: false });
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
    rooms.atClose(connection.close);
    const problem = await connection.client.describe({}).catch(describeError);
    expect(problem).toBe('the room at 127.0.0.1:9 cannot be reached: connect ECONNREFUSED 127.0.0.1:9');
  });

  it('calls the room by its name, and leaves what a room says of others as it is', async () => {
    const away = connect(EnvironmentServiceDefinition, '127.0.0.1:9', { name: 'judge', retry: false });
    const { client } = await rooms.environment(
      { describe: () => away.client.describe({}) },
      { retry: false },
    );
    rooms.atClose(away.close);
    expect(await client.describe({}).catch(describeError)).toBe(
      'the judge at 127.0.0.1:9 cannot be reached: connect ECONNREFUSED 127.0.0.1:9',
    );
  });

  it('says that a room is another than expected', async () => {
    const { address } = await rooms.environment({});
    const connection = connect(PolicyServiceDefinition, address, { name: 'policy', retry: false });
    rooms.atClose(connection.close);
    const failure = readFailure(await connection.client.describe({}).catch((error: unknown) => error));
    expect(failure).toMatchObject({
      code: 'UNIMPLEMENTED',
      message: `the policy at ${address} does not serve Describe of backsight.policy.v1.PolicyService`,
    });
  });

  it('reads UNAVAILABLE when the network breaks in the middle of a call', async () => {
    const { seen, describe } = patient();
    const { address } = await rooms.environment({ describe });
    const network = await breakable(address);
    rooms.atClose(network.close);
    const connection = connect(EnvironmentServiceDefinition, network.address, { retry: false });
    rooms.atClose(connection.close);
    const call = codeOf(connection.client.describe({}));
    await until(() => seen.begun === 1);
    network.cut();
    expect(await call).toBe('UNAVAILABLE');
    await until(() => seen.stopped === 1);
  });
});
