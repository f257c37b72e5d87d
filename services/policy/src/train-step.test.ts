import net from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { UnsupportedError } from '@backsight/engine';
import { connect } from '@backsight/rpc';
import { caughtFailure, caughtViolations } from './caught-failure.js';
import { newScript, untilAborted } from './scripted-engine.js';
import { openScriptedRoom, type ScriptedRoom, until } from './scripted-room.js';

let room: ScriptedRoom;
beforeAll(async () => {
  room = await openScriptedRoom();
});
afterAll(() => room.close());
beforeEach(() => {
  room.script = newScript();
});

const objective = {
  distillation: {
    weight: 1,
    alpha: 0.5,
    support: { kind: proto.SupportKind.TOP_K_TAIL, k: 20 },
    granularity: proto.Granularity.LOGIT,
  },
  aggregation: proto.Aggregation.TOKEN_MEAN,
};
const teacher = { kind: proto.TeacherKind.EMA, rate: 0.05, cadence: proto.TeacherCadence.BATCH };
const plan = { expectedVersion: 5, objective, teacher, optimizer: { learningRate: 1e-3 } };
const example = {
  studentPromptIds: [1, 3],
  teacherPromptIds: [1, 4, 3],
  completionIds: [9, 2],
  rolloutId: 'r',
};
const first = (change: object = {}) => ({
  payload: { $case: 'plan' as const, value: { ...plan, ...change } },
});
const next = (change: object = {}) => ({
  payload: { $case: 'example' as const, value: { ...example, ...change } },
});

const commit = { payload: { $case: 'commit' as const, value: {} } };

type Messages = Parameters<ScriptedRoom['client']['trainStep']>[0];
async function* stream(...messages: object[]): Messages {
  for (const message of messages) yield await Promise.resolve(message);
}
const train = (...messages: object[]) => room.client.trainStep(stream(...messages));

describe('policyService trainStep', () => {
  it('hands the whole transaction to the engine and reports what it did', async () => {
    const change = { miniBatches: 2, shuffleSeed: 8 };
    const answer = await train(first(change), next(), next({ advantage: -1, distillationWeight: 0.5 }));
    expect(answer).toMatchObject({ version: 7, metrics: { 'actor/entropy': 0.25 } });
    expect(answer.steps).toHaveLength(2);
    expect(answer.durations).toEqual([{ phase: 'teacher', duration: { seconds: 1, nanos: 250_000_000 } }]);
    const weights = { distillationWeight: 1, policyGradientWeight: 1, likelihoodWeight: 1 };
    const taken = { ...example, ...weights, completionLogprobs: [], advantage: 0 };
    expect(room.script.trained).toEqual([
      {
        plan: {
          expectedVersion: 5,
          objective: {
            distillation: {
              weight: 1,
              alpha: 0.5,
              support: { kind: 'top-k-tail', k: 20 },
              granularity: 'logit',
            },
            aggregation: 'token-mean',
            temperature: 1,
          },
          teacher: { kind: 'ema', rate: 0.05, cadence: 'batch' },
          optimizer: { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
          miniBatches: 2,
          shuffleSeed: 8,
        },
        examples: [taken, { ...taken, advantage: -1, distillationWeight: 0.5 }],
      },
    ]);
  });

  it('refuses a plan at once, while the caller is still sending', async () => {
    async function* slow(): Messages {
      yield first({ optimizer: undefined });
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
    }
    expect(await caughtViolations(() => room.client.trainStep(slow()))).toEqual([
      'plan.optimizer: must be set',
    ]);
  });

  it('takes no step twice: another version is ABORTED with the current one', async () => {
    await train(first(), next());
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure).toMatchObject({
      code: 'ABORTED',
      reason: 'POLICY_VERSION_MISMATCH',
      metadata: { current_version: '6', expected_version: '5' },
    });
    expect(room.script.trained).toHaveLength(1);
  });

  it('says which ability the engine lacks', async () => {
    room.script.failure = new UnsupportedError(
      'TRUST_REGION_TEACHER',
      'This engine keeps no trust-region teacher.',
    );
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'TRUST_REGION_TEACHER' });
  });

  it('tells nothing of a bug but a request id', async () => {
    room.script.failure = new TypeError('secret inner detail');
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure.code).toBe('INTERNAL');
    expect(failure.requestId).toBeDefined();
    expect(JSON.stringify(failure)).not.toContain('secret');
  });

  it('takes a committed transaction, and nothing of one that ends before its commit', async () => {
    const cut = () => train(first({ commits: true }), next(), next());
    expect(await caughtViolations(cut)).toEqual([
      'commit: must be the last message, was not sent; the stream ended after 2 examples',
    ]);
    expect(room.script.trained).toEqual([]);
    expect((await train(first({ commits: true }), next(), next(), commit)).version).toBe(6);
    expect(room.script.trained).toHaveLength(1);
  });

  it('takes nothing from a stream that the caller cancels', async () => {
    const controller = new AbortController();
    async function* cancelled(): Messages {
      yield first();
      yield next();
      setTimeout(() => {
        controller.abort();
      }, 20);
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
    }
    const call = room.client.trainStep(cancelled(), { signal: controller.signal });
    expect((await caughtFailure(() => call)).code).toBe('CANCELLED');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(room.script.trained).toEqual([]);
    expect((await room.client.describe({})).version).toBe(5);
    expect((await train(first(), next())).version).toBe(6);
  });

  it('takes nothing from a stream whose connection is lost', async () => {
    const sockets: net.Socket[] = [];
    const proxy = net.createServer((near) => {
      const far = net.connect(Number(room.address.split(':')[1]), '127.0.0.1');
      sockets.push(near, far);
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = proxy.address() as net.AddressInfo;
    const lossy = connect(proto.PolicyServiceDefinition, `127.0.0.1:${String(address.port)}`, {
      retry: false,
    });
    async function* broken(): Messages {
      yield first();
      yield next();
      setTimeout(() => {
        for (const socket of sockets) socket.destroy();
        proxy.close();
      }, 20);
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
    }
    expect((await caughtFailure(() => lossy.client.trainStep(broken()))).code).toBe('UNAVAILABLE');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(room.script.trained).toEqual([]);
    lossy.close();
  });

  it('stops the engine when the caller gives up after closing the stream', async () => {
    room.script.pause = untilAborted(room.script);
    const call = room.client.trainStep(stream(first(), next()), { deadlineMs: 80 });
    expect((await caughtFailure(() => call)).code).toBe('DEADLINE_EXCEEDED');
    await until(() => room.script.aborted === 1);
    expect(room.script.trained).toEqual([]);
  });

  it('holds a few transactions and refuses the next, saying when to try again', async () => {
    room.script.pause = untilAborted(room.script);
    const controller = new AbortController();
    const held = Array.from({ length: 4 }, () =>
      caughtFailure(() => room.client.trainStep(stream(first(), next()), { signal: controller.signal })),
    );
    await until(() => room.script.waiting === 4);
    expect(await caughtFailure(() => train(first(), next()))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: '4 of at most 4 training transactions are in progress',
      retryAfterMs: 2000,
    });
    controller.abort();
    await Promise.all(held);
    await until(() => room.script.aborted === 4);
    room.script.pause = () => Promise.resolve();
    expect((await train(first(), next())).version).toBe(6);
  });
});
