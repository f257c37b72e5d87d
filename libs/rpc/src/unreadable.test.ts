import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type PolicyServiceImplementation,
  PolicyServiceDefinition,
  TrainStepRequest,
} from '@backsight/contract/policy';
import { connect, createLogger, type Failure, readFailure, serve, service } from './index.js';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Base-128 number of the wire format. */
function varint(value: bigint): number[] {
  const rest = value >> 7n;
  return rest === 0n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(rest)];
}
const tag = (field: number, wireType: number): number[] => varint(BigInt((field << 3) | wireType));
const number = (field: number, value: bigint | number): number[] => [
  ...tag(field, 0),
  ...varint(BigInt.asUintN(64, BigInt(value))),
];
const nested = (field: number, ...parts: readonly number[][]): number[] => {
  const bytes = parts.flat();
  return [...tag(field, 2), ...varint(BigInt(bytes.length)), ...bytes];
};

/** A client that sends bytes as they are, to a policy that answers whatever it is asked. */
async function rawPolicy() {
  const unused = () => Promise.reject(new Error('was not to be called'));
  const policy: PolicyServiceImplementation = {
    describe: unused,
    generate: async function* () {
      yield* await Promise.resolve([]);
    },
    score: unused,
    trainStep: async (requests) => {
      let examples = -1;
      for await (const _ of requests) examples += 1;
      return { version: examples };
    },
    saveCheckpoint: unused,
    restoreCheckpoint: unused,
    listCheckpoints: unused,
    exportCheckpoint: unused,
    pullWeights: unused as never,
  };
  const server = await serve({
    name: 'policy',
    address: '127.0.0.1:0',
    logger: createLogger({ name: 'policy', level: 'silent' }),
    services: [service(PolicyServiceDefinition, policy)],
  });
  closers.push(() => server.shutdown(100));
  const asIs = {
    encode: (bytes: Uint8Array) => ({ finish: () => bytes }),
    decode: (bytes: Uint8Array) => bytes,
  };
  const { generate, trainStep } = PolicyServiceDefinition.methods;
  const methods = {
    generate: { ...generate, requestType: asIs },
    trainStep: { ...trainStep, requestType: asIs },
  } as const;
  const connection = connect({ ...PolicyServiceDefinition, methods }, server.address);
  closers.push(connection.close);
  return connection.client;
}

async function failureOf(work: () => Promise<unknown>): Promise<Failure | undefined> {
  try {
    await work();
  } catch (error) {
    return readFailure(error);
  }
  throw new Error('the call did not fail');
}

const generate = async (bytes: readonly number[]) => {
  const client = await rawPolicy();
  return failureOf(async () => {
    for await (const _ of client.generate(Uint8Array.from(bytes))) expect(_).toBeDefined();
  });
};

const trainStep = async (...messages: readonly (readonly number[])[]) => {
  const client = await rawPolicy();
  return failureOf(() => client.trainStep(stream(messages)));
};

async function* stream(messages: readonly (readonly number[])[]) {
  for (const bytes of messages) yield Uint8Array.from(bytes);
  await Promise.resolve();
}

describe('a request that cannot be decoded', () => {
  it.each<[string, () => Promise<Failure | undefined>, string, RegExp]>([
    [
      'an unknown number of an enumeration, deep in a plan',
      () => trainStep(nested(1, nested(2, nested(1, nested(3, number(1, 9)))))),
      'plan.objective.distillation.support.kind',
      /^is 9, which SupportKind does not know; it knows 0 SUPPORT_KIND_UNSPECIFIED, 1 SUPPORT_KIND_FULL/,
    ],
    [
      'a negative number of an enumeration',
      () => trainStep(nested(1, nested(3, number(1, -1)))),
      'plan.teacher.kind',
      /^is -1, which TeacherKind does not know/,
    ],
    [
      'an unsigned number that no double holds',
      () => generate(nested(3, number(4, 2n ** 64n - 1n))),
      'sampling.seed',
      /^must be in \[-\(2\^53 - 1\), 2\^53 - 1\], is 18446744073709551615$/,
    ],
    [
      'a signed number that no double holds',
      () => trainStep(nested(1, number(1, -(2n ** 60n)))),
      'plan.expected_version',
      /is -1152921504606846976$/,
    ],
    ['bytes cut short', () => generate([...tag(3, 2), 100, 1]), '', /^the request cannot be decoded: /],
  ])('names %s', async (_, call, field, description) => {
    expect(await call()).toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field, description: expect.stringMatching(description) as unknown as string }],
    });
  });

  it('ends a stream in whose middle it comes', async () => {
    const plan = TrainStepRequest.encode(
      TrainStepRequest.fromPartial({ payload: { $case: 'plan', value: {} } }),
    ).finish();
    expect(await trainStep([...plan], nested(1, nested(3, number(3, 7))))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'plan.teacher.cadence' }],
    });
  });

  it('leaves what can be decoded as it is, unknown fields included', async () => {
    const client = await rawPolicy();
    const messages = [nested(1, number(1, 3), number(99, 1)), nested(2), nested(2)];
    expect(await client.trainStep(stream(messages))).toMatchObject({ version: 2 });
  });
});
