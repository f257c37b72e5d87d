import { describe, expect, it } from '@jest/globals';
import { EnvironmentServiceDefinition } from '@backsight/contract/environment';
import {
  aborted,
  connect,
  createLogger,
  describeFailure,
  type Failure,
  failedPrecondition,
  invalidArgument,
  notFound,
  passedOn,
  readFailure,
  resourceExhausted,
  serve,
  ServerError,
  service,
  Status,
  unavailable,
  unimplemented,
} from './index.js';

/** What a caller reads when a room throws this. */
async function roundTrip(thrown: unknown): Promise<Failure | undefined> {
  const server = await serve({
    name: 'tools',
    address: '127.0.0.1:0',
    logger: createLogger({ name: 'tools', level: 'silent' }),
    services: [
      service(EnvironmentServiceDefinition, {
        describe: () => Promise.reject(thrown as Error),
        listTasks: () => Promise.resolve({}),
        play: async function* () {
          yield* await Promise.resolve([]);
        },
      }),
    ],
  });
  const { client, close } = connect(EnvironmentServiceDefinition, server.address, { retry: false });
  try {
    return await client.describe({}).then(() => undefined, readFailure);
  } finally {
    close();
    await server.shutdown(100);
  }
}

const method = 'backsight.environment.v1.EnvironmentService/Describe';
const requestId = expect.any(String) as unknown as string;

describe('readFailure', () => {
  it.each<[string, Error, Omit<Failure, 'method' | 'requestId'>]>([
    [
      'invalidArgument',
      invalidArgument([
        { field: 'sampling.top_p', description: 'must be in (0, 1], not 2' },
        { field: 'group_size', description: 'must be at least 1' },
      ]),
      {
        code: 'INVALID_ARGUMENT',
        message: 'sampling.top_p: must be in (0, 1], not 2; group_size: must be at least 1',
        violations: [
          { field: 'sampling.top_p', description: 'must be in (0, 1], not 2' },
          { field: 'group_size', description: 'must be at least 1' },
        ],
      },
    ],
    [
      'notFound',
      notFound('task', 'a/1', 'ListTasks names them'),
      {
        code: 'NOT_FOUND',
        message: 'there is no task "a/1"; ListTasks names them',
        resource: { kind: 'task', name: 'a/1' },
      },
    ],
    [
      'failedPrecondition',
      failedPrecondition('run r1', 'is paused; resume it first'),
      {
        code: 'FAILED_PRECONDITION',
        message: 'run r1: is paused; resume it first',
        violations: [{ field: 'run r1', description: 'is paused; resume it first' }],
      },
    ],
    [
      'aborted',
      aborted('POLICY_VERSION_MISMATCH', { current_version: '7' }),
      {
        code: 'ABORTED',
        message: 'POLICY_VERSION_MISMATCH, current_version 7',
        reason: 'POLICY_VERSION_MISMATCH',
        metadata: { current_version: '7' },
      },
    ],
    [
      'resourceExhausted',
      resourceExhausted('the queue is full', 1250),
      { code: 'RESOURCE_EXHAUSTED', message: 'the queue is full', retryAfterMs: 1250 },
    ],
    [
      'unavailable',
      unavailable('the sandbox is away', 40),
      { code: 'UNAVAILABLE', message: 'the sandbox is away', retryAfterMs: 40 },
    ],
    [
      'unimplemented',
      unimplemented('PEFT', 'this engine writes no PEFT layout'),
      {
        code: 'UNIMPLEMENTED',
        message: 'this engine writes no PEFT layout',
        reason: 'PEFT',
        metadata: {},
      },
    ],
  ])('reads over the wire what %s says', async (_name, thrown, expected) => {
    expect(await roundTrip(thrown)).toEqual({ ...expected, method, requestId });
  });

  it('reads the same from an error that did not travel', () => {
    expect(readFailure(notFound('run', 'r9'))).toEqual({
      code: 'NOT_FOUND',
      message: 'there is no run "r9"',
      resource: { kind: 'run', name: 'r9' },
    });
  });

  it.each([
    invalidArgument([{ field: 'seed', description: 'must be at least 0' }]),
    notFound('task', 'a/1', 'ListTasks names them'),
    failedPrecondition('run r1', 'is paused'),
    aborted('POLICY_VERSION_MISMATCH', { current_version: '7' }),
    resourceExhausted('the queue is full', 1250),
    unimplemented('PEFT', 'this engine writes no PEFT layout'),
  ])('reads %s the same when a room between has passed it on', async (error) => {
    const failure = readFailure(error);
    if (failure === undefined) throw error;
    expect(await roundTrip(passedOn(failure))).toEqual({ ...failure, method, requestId });
  });

  it('lets violations share the room for words', async () => {
    const violations = (count: number) =>
      Array.from({ length: count }, () => ({ field: 'recipe', description: 'x'.repeat(1000) }));
    const lengthOf = async (count: number) =>
      (await roundTrip(invalidArgument(violations(count))))?.violations?.[0]?.description.length;
    expect(await lengthOf(1)).toBe(700);
    expect(await lengthOf(4)).toBe(300);
    expect(await lengthOf(16)).toBe(120);
  });

  it('reads an ordinary error as INTERNAL, without its cause', async () => {
    const failure = await roundTrip(new Error('the password is hunter2'));
    expect(failure).toMatchObject({ code: 'INTERNAL', requestId });
    expect(JSON.stringify(failure)).not.toContain('hunter2');
    expect(failure?.message).toBe(
      `tools failed unexpectedly; its log tells why under request id ${failure?.requestId ?? ''}`,
    );
  });

  it('keeps the name of a code that is not in the vocabulary', async () => {
    const failure = await roundTrip(new ServerError(Status.PERMISSION_DENIED, 'not yours'));
    expect(failure).toMatchObject({ code: 'UNKNOWN', message: 'PERMISSION_DENIED: not yours' });
  });

  it('is undefined for a bug of the caller itself', () => {
    expect(readFailure(new TypeError('x is undefined'))).toBeUndefined();
    expect(readFailure('thrown text')).toBeUndefined();
  });

  it('reads words of any script, and of any length, cut to what a header block holds', async () => {
    expect((await roundTrip(notFound('task', '日本語 ✓ %41')))?.resource?.name).toBe('日本語 ✓ %41');
    const violations = Array.from({ length: 500 }, (_, i) => ({
      field: `examples[${i}].completion_ids`,
      description: '語'.repeat(2000),
    }));
    const failure = await roundTrip(invalidArgument(violations));
    expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(failure?.violations?.[0]?.field).toBe('examples[0].completion_ids');
    expect(failure?.message).toMatch(/; and 484 more$/);
    expect(await roundTrip(unavailable('😀'.repeat(1000), 1))).toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('describeFailure', () => {
  it.each<[Failure, string]>([
    [{ code: 'NOT_FOUND', message: 'there is no run "r9"' }, 'there is no run "r9"'],
    [
      { code: 'UNAVAILABLE', message: 'the sandbox is away', retryAfterMs: 40 },
      'the sandbox is away (asks to be tried again after 40 ms)',
    ],
    [{ code: 'INTERNAL', message: 'bug', requestId: 'abc' }, 'bug (request id abc)'],
    [{ code: 'INTERNAL', message: 'see request id abc', requestId: 'abc' }, 'see request id abc'],
  ])('says %j in one sentence', (failure, sentence) => {
    expect(describeFailure(failure)).toBe(sentence);
  });
});
