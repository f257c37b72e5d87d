import net from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { CheckpointError, UnsupportedError } from '@backsight/engine';
import { connect, createLogger, type Connection, type StartedRoom } from '@backsight/rpc';
import { caughtFailure, caughtViolations } from './caught-failure.js';
import { startPolicy } from './policy.js';
import {
  newScript,
  scriptedCard,
  scriptedCheckpoint,
  scriptedEngine,
  untilAborted,
} from './scripted-engine.js';

let script = newScript();
const texts = { tokenizerJson: '{"t":1}', tokenizerConfigJson: '{}', chatTemplate: '{{ x }}', files: {} };
const config = {
  address: '127.0.0.1:0',
  metricsAddress: undefined,
  maxConnectionAgeMs: undefined,
  follow: undefined,
  openAiAddress: undefined,
  maxExamples: 20,
  maxPendingCompletions: 6,
};
const start = () =>
  startPolicy(
    config,
    scriptedEngine(() => script),
    texts,
    createLogger({ name: 'policy', level: 'silent' }),
  );

let room: StartedRoom;
let connection: Connection<typeof proto.PolicyServiceDefinition>;
beforeAll(async () => {
  room = await start();
  connection = connect(proto.PolicyServiceDefinition, room.address, { retry: false });
});
afterAll(async () => {
  connection.close();
  await room.shutdown(100);
});
beforeEach(() => {
  script = newScript();
});

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const sampling = { temperature: 1, maxTokens: 4, seed: 1 };
const generate = (request: object, options = {}) =>
  collect(
    connection.client.generate({ prompts: [{ tokenIds: [1] }], groupSize: 1, sampling, ...request }, options),
  );

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

type Messages = Parameters<typeof connection.client.trainStep>[0];
async function* stream(...messages: object[]): Messages {
  for (const message of messages) yield await Promise.resolve(message);
}
const train = (...messages: object[]) => connection.client.trainStep(stream(...messages));

describe('policyService describe', () => {
  it('tells the model card, the texts, the limits and the version', async () => {
    const description = await connection.client.describe({});
    expect(description).toMatchObject({
      ...scriptedCard,
      tokenizerJson: '{"t":1}',
      chatTemplate: '{{ x }}',
      version: 5,
    });
    expect(description.limits).toEqual({ generationSlots: 4, maxExamples: 20, microBatchTokens: 64 });
    expect(description.engine).toEqual({ name: 'scripted', version: '1', device: 'none', threads: 1 });
    expect(description.training).toEqual({
      objectives: [proto.ObjectiveKind.DISTILLATION, proto.ObjectiveKind.LIKELIHOOD],
      teachers: [proto.TeacherKind.EMA, proto.TeacherKind.FROZEN],
      maxSupport: 40,
    });
  });
});

describe('policyService generate', () => {
  it('streams every completion of every prompt', async () => {
    const answers = await generate({ prompts: [{ tokenIds: [1, 7] }, { tokenIds: [8] }], groupSize: 2 });
    expect(answers.map(({ completion }) => completion)).toEqual(
      [
        [0, 0, [1, 7, 0], proto.FinishReason.STOP],
        [0, 1, [1, 7, 1], proto.FinishReason.LENGTH],
        [1, 0, [8, 0], proto.FinishReason.STOP],
        [1, 1, [8, 1], proto.FinishReason.LENGTH],
      ].map(([promptIndex, sampleIndex, tokenIds, finishReason]) => ({
        promptIndex,
        sampleIndex,
        tokenIds,
        finishReason,
        logprobs: (tokenIds as number[]).map(() => -0.5),
        policyVersion: 5,
      })),
    );
  });

  it('stops the engine when the caller gives up, and makes room again', async () => {
    script.pause = untilAborted(script);
    const controller = new AbortController();
    const call = caughtFailure(() => generate({ groupSize: 6 }, { signal: controller.signal }));
    setTimeout(() => {
      controller.abort();
    }, 30);
    expect((await call).code).toBe('CANCELLED');
    await until(() => script.aborted === 1);
    script.pause = () => Promise.resolve();
    expect(await generate({ groupSize: 6 })).toHaveLength(6);
  });

  it('stops the engine at the deadline', async () => {
    script.pause = untilAborted(script);
    expect((await caughtFailure(() => generate({}, { deadlineMs: 50 }))).code).toBe('DEADLINE_EXCEEDED');
    await until(() => script.aborted === 1);
  });

  it('refuses more completions than it may hold, and says when to try again', async () => {
    script.pause = untilAborted(script);
    const controller = new AbortController();
    let begun = 0;
    const reading = (async () => {
      const request = { prompts: [{ tokenIds: [1] }], groupSize: 4, sampling };
      for await (const _ of connection.client.generate(request, { signal: controller.signal })) begun += 1;
    })().catch(() => undefined);
    await until(() => begun > 0);
    const failure = await caughtFailure(() => generate({ groupSize: 3 }));
    expect(failure).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: 1000 });
    expect(failure.message).toBe('4 of at most 6 completions are in progress');
    controller.abort();
    await reading;
  });
});

describe('policyService score', () => {
  const item = { promptIds: [1], completionIds: [4, 5] };

  it('answers the items in order under the weights asked for', async () => {
    const items = [item, { promptIds: [1], completionIds: [6] }];
    const answer = await connection.client.score({
      items,
      weights: proto.WeightSet.TEACHER,
      temperature: 2,
      topK: 1,
    });
    expect(answer).toEqual({
      policyVersion: 5,
      scores: [
        { logprobs: [-1, -1], entropies: [0.5, 0.5], topIds: [0, 0], topLogprobs: [-1, -1] },
        { logprobs: [-1], entropies: [0.5], topIds: [0], topLogprobs: [-1] },
      ],
    });
    expect((await connection.client.score({ items: [item] })).scores[0]?.logprobs).toEqual([-1, -1]);
  });
});

describe('policyService trainStep', () => {
  it('hands the whole transaction to the engine and reports what it did', async () => {
    const change = { miniBatches: 2, shuffleSeed: 8 };
    const answer = await train(first(change), next(), next({ advantage: -1, distillationWeight: 0.5 }));
    expect(answer).toMatchObject({ version: 7, metrics: { 'actor/entropy': 0.25 } });
    expect(answer.steps).toHaveLength(2);
    expect(answer.durations).toEqual([{ phase: 'teacher', duration: { seconds: 1, nanos: 250_000_000 } }]);
    const weights = { distillationWeight: 1, policyGradientWeight: 1, likelihoodWeight: 1 };
    const taken = { ...example, ...weights, completionLogprobs: [], advantage: 0 };
    expect(script.trained).toEqual([
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
    expect(await caughtViolations(() => connection.client.trainStep(slow()))).toEqual([
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
    expect(script.trained).toHaveLength(1);
  });

  it('says which ability the engine lacks', async () => {
    script.failure = new UnsupportedError(
      'TRUST_REGION_TEACHER',
      'This engine keeps no trust-region teacher.',
    );
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'TRUST_REGION_TEACHER' });
  });

  it('tells nothing of a bug but a request id', async () => {
    script.failure = new TypeError('secret inner detail');
    const failure = await caughtFailure(() => train(first(), next()));
    expect(failure.code).toBe('INTERNAL');
    expect(failure.requestId).toBeDefined();
    expect(JSON.stringify(failure)).not.toContain('secret');
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
    const call = connection.client.trainStep(cancelled(), { signal: controller.signal });
    expect((await caughtFailure(() => call)).code).toBe('CANCELLED');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(script.trained).toEqual([]);
    expect((await connection.client.describe({})).version).toBe(5);
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
    expect(script.trained).toEqual([]);
    lossy.close();
  });

  it('stops the engine when the caller gives up after closing the stream', async () => {
    script.pause = untilAborted(script);
    const call = connection.client.trainStep(stream(first(), next()), { deadlineMs: 80 });
    expect((await caughtFailure(() => call)).code).toBe('DEADLINE_EXCEEDED');
    await until(() => script.aborted === 1);
    expect(script.trained).toEqual([]);
  });

  it('holds a few transactions and refuses the next, saying when to try again', async () => {
    script.pause = untilAborted(script);
    const controller = new AbortController();
    const held = Array.from({ length: 4 }, () =>
      caughtFailure(() =>
        connection.client.trainStep(stream(first(), next()), { signal: controller.signal }),
      ),
    );
    await until(() => script.waiting === 4);
    expect(await caughtFailure(() => train(first(), next()))).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: '4 of at most 4 training transactions are in progress',
      retryAfterMs: 2000,
    });
    controller.abort();
    await Promise.all(held);
    await until(() => script.aborted === 4);
    script.pause = () => Promise.resolve();
    expect((await train(first(), next())).version).toBe(6);
  });
});

describe('startPolicy', () => {
  it('closes the engine once the last call has ended', async () => {
    const other = await start();
    await other.shutdown(100);
    expect(script.closed).toBe(true);
  });
});

describe('policyService checkpoints', () => {
  it('saves, restores, lists and exports by name', async () => {
    expect((await connection.client.saveCheckpoint({ name: 'a' })).checkpoint).toEqual({
      ...scriptedCheckpoint,
      name: 'a',
    });
    expect((await connection.client.restoreCheckpoint({ name: 'initial' })).checkpoint?.name).toBe('initial');
    expect((await connection.client.listCheckpoints({})).checkpoints).toEqual([scriptedCheckpoint]);
    expect(await connection.client.exportCheckpoint({ name: 'a' })).toEqual({
      path: '/exports/hugging-face/a',
      version: 5,
    });
  });

  it('saves with how good the weights are, which must be a number', async () => {
    const saved = await connection.client.saveCheckpoint({ name: 'a', score: 0.5 });
    expect(saved.checkpoint?.score).toBe(0.5);
    const violations = await caughtViolations(() =>
      connection.client.saveCheckpoint({ name: 'a', score: NaN }),
    );
    expect(violations[0]).toMatch(/^score: must be/);
  });

  it('refuses names that are none', async () => {
    for (const name of ['', '../a', 'initial']) {
      expect((await caughtViolations(() => connection.client.saveCheckpoint({ name })))[0]).toMatch(
        /^name: /,
      );
      expect((await caughtViolations(() => connection.client.exportCheckpoint({ name })))[0]).toMatch(
        /^name: /,
      );
    }
    expect((await caughtViolations(() => connection.client.restoreCheckpoint({ name: 'a/b' })))[0]).toMatch(
      /^name: "a\/b"/,
    );
  });

  it.each<['missing' | 'invalid' | 'no-space' | 'io', object]>([
    ['missing', { code: 'NOT_FOUND', resource: { kind: 'checkpoint', name: 'a' } }],
    [
      'invalid',
      { code: 'FAILED_PRECONDITION', message: 'checkpoint a: w.safetensors: tensor "t": expected shape' },
    ],
    ['no-space', { code: 'RESOURCE_EXHAUSTED', retryAfterMs: 60_000 }],
    ['io', { code: 'FAILED_PRECONDITION' }],
  ])('answers a checkpoint that is %s with its code', async (reason, failure) => {
    script.failure = new CheckpointError({
      reason,
      file: 'w.safetensors',
      tensor: 't',
      problem: 'expected shape',
    });
    expect(await caughtFailure(() => connection.client.restoreCheckpoint({ name: 'a' }))).toMatchObject(
      failure,
    );
    expect(await caughtFailure(() => connection.client.saveCheckpoint({ name: 'a' }))).toMatchObject(failure);
  });

  it('exports in the layout that is asked for, if the engine has it', async () => {
    const peft = () => connection.client.exportCheckpoint({ name: 'a', layout: proto.ExportLayout.PEFT });
    expect(await peft()).toMatchObject({ path: '/exports/peft/a' });
    script.failure = new UnsupportedError('PEFT_EXPORT', 'The policy trains no adapter.');
    expect(await caughtFailure(peft)).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'PEFT_EXPORT' });
  });
});
