import net from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import {
  CheckpointError,
  UnsupportedError,
  VersionMismatchError,
  type Engine,
  type ModelCard,
  type SampledCompletion,
  type TrainExample,
  type TrainPlan,
} from '@backsight/engine';
import {
  connect,
  createLogger,
  readFailure,
  type Connection,
  type Failure,
  type StartedRoom,
} from '@backsight/rpc';
import { startPolicy } from './policy.js';

const card: ModelCard = {
  model: 'fake',
  architecture: 'llama',
  parameterCount: 10,
  vocabularySize: 100,
  contextWindow: 16,
  stopIds: [2],
};
const texts = { tokenizerJson: '{"t":1}', tokenizerConfigJson: '{}', chatTemplate: '{{ x }}', files: {} };

/** What the engine was asked to do, and how it is to answer. */
interface Script {
  version: number;
  /** Runs before each completion and before a transaction's end; rejects when the signal aborts. */
  pause: (signal: AbortSignal) => Promise<void>;
  trained: { plan: TrainPlan; examples: readonly TrainExample[] }[];
  aborted: number;
  closed: boolean;
  failure?: Error;
}
const script: Script = { version: 0, pause: () => Promise.resolve(), trained: [], aborted: 0, closed: false };

/** Pauses until the caller gives up. */
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((_, reject) => {
    const give = () => {
      script.aborted += 1;
      const error = new Error('given up');
      error.name = 'AbortError';
      reject(error);
    };
    if (signal.aborted) give();
    else signal.addEventListener('abort', give);
  });

const info = { name: 'saved', version: 7, sizeBytes: 12, createdAtMs: 1_700_000_000_000 };
const orScriptedFailure = <T>(value: T): Promise<T> =>
  script.failure === undefined ? Promise.resolve(value) : Promise.reject(script.failure);

const engine: Engine = {
  card,
  info: { name: 'fake', version: '1', device: 'none', threads: 1, generationSlots: 4, microBatchTokens: 64 },
  get version() {
    return script.version;
  },
  async *generate({ prompts, groupSize }, signal) {
    for (const [promptIndex, prompt] of prompts.entries())
      for (let sampleIndex = 0; sampleIndex < groupSize; sampleIndex++) {
        const tokenIds = [...prompt, sampleIndex];
        const logprobs = tokenIds.map(() => -0.5);
        const completion: SampledCompletion = {
          promptIndex,
          sampleIndex,
          tokenIds,
          logprobs,
          finishReason: sampleIndex % 2 === 0 ? 'stop' : 'length',
          policyVersion: script.version,
        };
        yield completion;
        await script.pause(signal);
      }
  },
  score: ({ items, weights, temperature, topK }) =>
    orScriptedFailure(
      items.map(({ completionIds }) => ({
        logprobs: completionIds.map(() => (weights === 'teacher' ? -2 : -1) / temperature),
        entropies: completionIds.map(() => 0.5),
        topIds: completionIds.flatMap(() => Array.from({ length: topK }, (_, id) => id)),
        topLogprobs: completionIds.flatMap(() => Array.from({ length: topK }, (_, id) => -1 - id)),
      })),
    ),
  async trainStep(plan, examples, signal) {
    await script.pause(signal);
    if (script.failure !== undefined) throw script.failure;
    if (plan.expectedVersion !== script.version)
      throw new VersionMismatchError(plan.expectedVersion, script.version);
    script.trained.push({ plan, examples });
    script.version += plan.miniBatches;
    const step = {
      loss: 1,
      distillationLoss: 1,
      policyGradientLoss: 0,
      likelihoodLoss: 0,
      gradientNorm: 2,
      skipped: false,
      examples: examples.length,
      lossTokens: 3,
    };
    const steps = Array.from({ length: plan.miniBatches }, () => step);
    return { version: script.version, steps, metrics: { 'actor/entropy': 0.25 }, seconds: { teacher: 1.25 } };
  },
  saveCheckpoint: (name) => orScriptedFailure({ ...info, name }),
  restoreCheckpoint: (name) => orScriptedFailure({ ...info, name }),
  listCheckpoints: () => orScriptedFailure([info]),
  exportCheckpoint: (name) => orScriptedFailure(`/exports/${name}`),
  close: () => {
    script.closed = true;
    return Promise.resolve();
  },
};

const config = {
  address: '127.0.0.1:0',
  metricsAddress: undefined,
  maxConnectionAgeMs: undefined,
  maxExamples: 20,
  maxPendingCompletions: 6,
};

let room: StartedRoom;
let connection: Connection<typeof proto.PolicyServiceDefinition>;
beforeAll(async () => {
  room = await startPolicy(config, engine, texts, createLogger({ name: 'policy', level: 'silent' }));
  connection = connect(proto.PolicyServiceDefinition, room.address, { retry: false });
});
afterAll(async () => {
  connection.close();
  await room.shutdown(100);
});
beforeEach(() => {
  Object.assign(script, {
    version: 5,
    pause: () => Promise.resolve(),
    trained: [],
    aborted: 0,
    failure: undefined,
  });
});
afterEach(() => {
  delete script.failure;
});

async function failureOf(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    // The caller's own abort is an error of the host's realm, which a test does not share.
    if ((error as Error).name === 'AbortError') return { code: 'CANCELLED', message: 'cancelled' };
    const failure = readFailure(error);
    if (failure !== undefined) return failure;
    throw error;
  }
  throw new Error('the call succeeded');
}

/** Violations as one line each. */
async function violationsOf(call: Promise<unknown>): Promise<string[]> {
  const { code, violations = [] } = await failureOf(call);
  expect(code).toBe('INVALID_ARGUMENT');
  return violations.map(({ field, description }) => `${field}: ${description}`);
}

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
      ...card,
      tokenizerJson: '{"t":1}',
      chatTemplate: '{{ x }}',
      version: 5,
    });
    expect(description.limits).toEqual({ generationSlots: 4, maxExamples: 20, microBatchTokens: 64 });
    expect(description.engine).toEqual({ name: 'fake', version: '1', device: 'none', threads: 1 });
    expect(description.training?.objectives).toContain(proto.ObjectiveKind.DISTILLATION);
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

  it.each<[string, object, string[]]>([
    ['no prompts', { prompts: [] }, ['prompts: must hold at least one prompt, is empty']],
    [
      'bad prompts',
      { prompts: [{ tokenIds: [] }, { tokenIds: [1, 100] }, { tokenIds: Array(16).fill(1) }] },
      [
        'prompts[0].token_ids: must hold at least one token id, is empty',
        'prompts[1].token_ids: id 100 at position 1 is not in [0, 100)',
        'prompts[2].token_ids: a prompt of 16 and a completion of 1 tokens make 17; the context window holds 16',
      ],
    ],
    ['no group', { groupSize: 0 }, ['group_size: must be a number at least 1, is 0']],
    ['no sampling', { sampling: undefined }, ['sampling: must be set']],
    [
      'sampling out of range',
      { sampling: { temperature: -1, topP: 0, maxTokens: 0, seed: 0, stopIds: [3, 101] } },
      [
        'sampling.temperature: must be a number at least 0, is -1',
        'sampling.top_p: must be a number above 0 and at most 1, is 0',
        'sampling.max_tokens: must be a number at least 1, is 0',
        'sampling.stop_ids: id 101 at position 1 is not in [0, 100)',
      ],
    ],
  ])('refuses %s, naming every field', async (_, request, violations) => {
    expect(await violationsOf(generate(request))).toEqual(violations);
  });

  it('stops the engine when the caller gives up, and makes room again', async () => {
    script.pause = untilAborted;
    const controller = new AbortController();
    const call = failureOf(generate({ groupSize: 6 }, { signal: controller.signal }));
    setTimeout(() => {
      controller.abort();
    }, 30);
    expect((await call).code).toBe('CANCELLED');
    await until(() => script.aborted === 1);
    script.pause = () => Promise.resolve();
    expect(await generate({ groupSize: 6 })).toHaveLength(6);
  });

  it('stops the engine at the deadline', async () => {
    script.pause = untilAborted;
    expect((await failureOf(generate({}, { deadlineMs: 50 }))).code).toBe('DEADLINE_EXCEEDED');
    await until(() => script.aborted === 1);
  });

  it('refuses more completions than it may hold, and says when to try again', async () => {
    script.pause = untilAborted;
    const controller = new AbortController();
    let begun = 0;
    const reading = (async () => {
      const request = { prompts: [{ tokenIds: [1] }], groupSize: 4, sampling };
      for await (const _ of connection.client.generate(request, { signal: controller.signal })) begun += 1;
    })().catch(() => undefined);
    await until(() => begun > 0);
    const failure = await failureOf(generate({ groupSize: 3 }));
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

  it('names every field that is wrong', async () => {
    const items = [
      { promptIds: [], completionIds: [400] },
      { promptIds: Array<number>(15).fill(1), completionIds: [1, 1] },
    ];
    expect(await violationsOf(connection.client.score({ items, temperature: 0, topK: 101 }))).toEqual([
      'items[0].prompt_ids: must hold at least one token id, is empty',
      'items[0].completion_ids: id 400 at position 0 is not in [0, 100)',
      'items[1]: a prompt of 15 and a completion of 2 tokens make 17; the context window holds 16',
      'temperature: must be a number above 0, is 0',
      'top_k: must be a number at most 100, is 101',
    ]);
    expect(await violationsOf(connection.client.score({}))).toEqual([
      'items: must hold at least one item, is empty',
    ]);
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

  it('reads every setting of a plan', async () => {
    const policyGradient = { weight: 0.5, clipLow: 0.2, clipHigh: 0.28, dualClip: 3 };
    const optimizer = {
      learningRate: 1,
      beta1: 0,
      beta2: 0.95,
      epsilon: 1e-6,
      weightDecay: 0.1,
      maxGradientNorm: 1,
    };
    const message = first({
      objective: {
        distillation: {
          weight: 1,
          alpha: 1,
          support: { kind: proto.SupportKind.FULL },
          granularity: proto.Granularity.SAMPLED_TOKEN,
          importanceCap: 2,
        },
        policyGradient,
        likelihood: { weight: 0.25 },
        aggregation: proto.Aggregation.SEQUENCE_MEAN_TOKEN_SUM,
        rolloutImportanceCap: 4,
        temperature: 0.5,
      },
      teacher: { kind: proto.TeacherKind.TRUST_REGION, rate: 0.25, cadence: proto.TeacherCadence.HOLD },
      optimizer,
    });
    await train(message, next({ completionLogprobs: [-0.5, -1] }));
    expect(script.trained[0]?.plan).toMatchObject({
      objective: {
        distillation: {
          weight: 1,
          alpha: 1,
          support: { kind: 'full' },
          granularity: 'sampled-token',
          importanceCap: 2,
        },
        policyGradient,
        likelihood: { weight: 0.25 },
        aggregation: 'sequence-mean-token-sum',
        rolloutImportanceCap: 4,
        temperature: 0.5,
      },
      teacher: { kind: 'trust-region', rate: 0.25, cadence: 'hold' },
      optimizer,
    });
  });

  it('needs no teacher without distillation', async () => {
    const policyGradient = { weight: 1, clipLow: 0.2, clipHigh: 0.2 };
    await train(
      first({ objective: { policyGradient }, teacher: undefined }),
      next({ completionLogprobs: [-1, -1] }),
    );
    expect(script.trained[0]?.plan.teacher).toEqual({ kind: 'ema', rate: 0, cadence: 'hold' });
  });

  it.each<[string, object, string[]]>([
    ['no objective', { objective: undefined }, ['plan.objective: must be set']],
    ['no optimizer', { optimizer: undefined }, ['plan.optimizer: must be set']],
    ['a distillation without a teacher', { teacher: undefined }, ['plan.teacher: must be set']],
    ['a teacher of no kind', { teacher: {} }, ['plan.teacher.kind: must be set']],
    [
      'an objective with nothing to minimise',
      { objective: {}, teacher: undefined },
      ['plan.objective: must give distillation, policyGradient or likelihood a weight above 0, gives none'],
    ],
    [
      'a distillation without a support',
      { objective: { distillation: { weight: 1, alpha: 0.5 } } },
      ['plan.objective.distillation.support.kind: must be set'],
    ],
    [
      'every number out of range at once',
      {
        miniBatches: 0,
        objective: {
          distillation: {
            ...objective.distillation,
            alpha: 1.5,
            support: { kind: proto.SupportKind.TOP_K_TAIL, k: 101 },
          },
          policyGradient: { weight: -1, clipLow: 2, clipHigh: -1, dualClip: 1 },
          rolloutImportanceCap: 0,
          temperature: 0,
        },
        teacher: { kind: proto.TeacherKind.EMA, rate: 2 },
        optimizer: { learningRate: NaN, beta1: 1, epsilon: 0, weightDecay: -1, maxGradientNorm: 0 },
      },
      [
        'plan.mini_batches: must be a number at least 1, is 0',
        'plan.objective.distillation.support.k: must be a number at most 100, is 101',
        'plan.objective.distillation.alpha: must be a number at least 0 and at most 1, is 1.5',
        'plan.objective.policy_gradient.weight: must be a number at least 0, is -1',
        'plan.objective.policy_gradient.clip_low: must be a number at least 0 and at most 1, is 2',
        'plan.objective.policy_gradient.clip_high: must be a number at least 0, is -1',
        'plan.objective.policy_gradient.dual_clip: must be a number above 1, is 1',
        'plan.objective.rollout_importance_cap: must be a number above 0, is 0',
        'plan.objective.temperature: must be a number above 0, is 0',
        'plan.teacher.rate: must be a number at least 0 and at most 1, is 2',
        'plan.optimizer.learning_rate: must be a number at least 0, is NaN',
        'plan.optimizer.beta1: must be a number in [0, 1), is 1',
        'plan.optimizer.epsilon: must be a number above 0, is 0',
        'plan.optimizer.weight_decay: must be a number at least 0, is -1',
        'plan.optimizer.max_gradient_norm: must be a number above 0, is 0',
      ],
    ],
  ])('refuses %s, naming every field', async (_, change, violations) => {
    expect(await violationsOf(train(first(change), next()))).toEqual(violations);
    expect(script.trained).toEqual([]);
  });

  it('names the example and the field, with both lengths of what does not fit', async () => {
    const long = Array<number>(15).fill(1);
    const examples = [
      next(),
      next({ studentPromptIds: [], completionIds: [] }),
      next({ teacherPromptIds: long, completionLogprobs: [-1] }),
      next({
        completionIds: [5, 100],
        completionLogprobs: [0.5, -1],
        advantage: Infinity,
        likelihoodWeight: -1,
      }),
    ];
    expect(await violationsOf(train(first(), ...examples))).toEqual([
      'examples[1].student_prompt_ids: must hold at least one token id, is empty',
      'examples[1].completion_ids: must hold at least one token id, is empty',
      'examples[2].teacher_prompt_ids: a prompt of 15 and a completion of 2 tokens make 17; the context window holds 16',
      'examples[2].completion_logprobs: must be one per completion token, are 1 for 2 tokens',
      'examples[3].completion_ids: id 100 at position 1 is not in [0, 100)',
      'examples[3].completion_logprobs: must be at most 0 and finite, is 0.5 at position 0',
      'examples[3].advantage: must be a number that is finite, is Infinity',
      'examples[3].likelihood_weight: must be a number at least 0, is -1',
    ]);
  });

  it.each<[object, string]>([
    [{ policyGradient: { weight: 1, clipLow: 0.2, clipHigh: 0.2 } }, 'objective.policy_gradient'],
    [
      { distillation: { ...objective.distillation, importanceCap: 2 } },
      'objective.distillation.importance_cap',
    ],
    [{ ...objective, rolloutImportanceCap: 2 }, 'objective.rollout_importance_cap'],
  ])('asks for logprobs where %j reads them', async (change, why) => {
    expect(await violationsOf(train(first({ objective: change }), next()))).toEqual([
      `examples[0].completion_logprobs: must be one per completion token, are 0 for 2 tokens; plan.${why} needs them`,
    ]);
  });

  it.each<[string, object[], string]>([
    ['an empty stream', [], 'plan: must be sent, the stream was empty'],
    ['an example before the plan', [next(), first()], 'plan: must be the first message'],
    ['a second plan', [first(), next(), first()], 'plan: must be the first message alone, is message 3 too'],
    ['an empty message', [first(), {}], 'payload: must be set, is not in message 2'],
    ['no example', [first()], 'plan.mini_batches: must be at most the number of examples 0, is 1'],
    [
      'more steps than examples',
      [first({ miniBatches: 3 }), next(), next()],
      'plan.mini_batches: must be at most the number of examples 2, is 3',
    ],
    [
      'too many examples',
      [first(), ...Array.from({ length: 21 }, () => next())],
      'examples: must be at most 20, are more',
    ],
  ])('refuses %s', async (_, messages, violation) => {
    expect(await violationsOf(train(...messages))).toEqual([violation]);
    expect(script.trained).toEqual([]);
  });

  it('refuses a plan at once, while the caller is still sending', async () => {
    async function* slow(): Messages {
      yield first({ optimizer: undefined });
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
    }
    expect(await violationsOf(connection.client.trainStep(slow()))).toEqual(['plan.optimizer: must be set']);
  });

  it('takes no step twice: another version is ABORTED with the current one', async () => {
    await train(first(), next());
    const failure = await failureOf(train(first(), next()));
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
    const failure = await failureOf(train(first(), next()));
    expect(failure).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'TRUST_REGION_TEACHER' });
  });

  it('tells nothing of a bug but a request id', async () => {
    script.failure = new TypeError('secret inner detail');
    const failure = await failureOf(train(first(), next()));
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
    expect((await failureOf(call)).code).toBe('CANCELLED');
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
    expect((await failureOf(lossy.client.trainStep(broken()))).code).toBe('UNAVAILABLE');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(script.trained).toEqual([]);
    lossy.close();
  });

  it('stops the engine when the caller gives up after closing the stream', async () => {
    script.pause = untilAborted;
    const call = connection.client.trainStep(stream(first(), next()), { deadlineMs: 80 });
    expect((await failureOf(call)).code).toBe('DEADLINE_EXCEEDED');
    await until(() => script.aborted === 1);
    expect(script.trained).toEqual([]);
  });

  it('holds a few transactions and refuses the next, saying when to try again', async () => {
    script.pause = untilAborted;
    const controller = new AbortController();
    const held = Array.from({ length: 4 }, () =>
      failureOf(connection.client.trainStep(stream(first(), next()), { signal: controller.signal })),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await failureOf(train(first(), next()))).toMatchObject({
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
    const other = await startPolicy(config, engine, texts, createLogger({ name: 'policy', level: 'silent' }));
    await other.shutdown(100);
    expect(script.closed).toBe(true);
  });
});

describe('policyService checkpoints', () => {
  it('saves, restores, lists and exports by name', async () => {
    expect((await connection.client.saveCheckpoint({ name: 'a' })).checkpoint).toEqual({
      ...info,
      name: 'a',
    });
    expect((await connection.client.restoreCheckpoint({ name: 'initial' })).checkpoint?.name).toBe('initial');
    expect((await connection.client.listCheckpoints({})).checkpoints).toEqual([info]);
    expect(await connection.client.exportCheckpoint({ name: 'a' })).toEqual({
      path: '/exports/a',
      version: 5,
    });
  });

  it('refuses names that are none', async () => {
    for (const name of ['', '../a', 'initial']) {
      expect((await violationsOf(connection.client.saveCheckpoint({ name })))[0]).toMatch(/^name: /);
      expect((await violationsOf(connection.client.exportCheckpoint({ name })))[0]).toMatch(/^name: /);
    }
    expect((await violationsOf(connection.client.restoreCheckpoint({ name: 'a/b' })))[0]).toMatch(
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
    expect(await failureOf(connection.client.restoreCheckpoint({ name: 'a' }))).toMatchObject(failure);
    expect(await failureOf(connection.client.saveCheckpoint({ name: 'a' }))).toMatchObject(failure);
  });

  it('has no adapters to export and no weights to stream', async () => {
    const peft = connection.client.exportCheckpoint({ name: 'a', layout: proto.ExportLayout.PEFT });
    expect(await failureOf(peft)).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'PEFT_EXPORT' });
    const pull = collect(connection.client.pullWeights({}));
    expect(await failureOf(pull)).toMatchObject({ code: 'UNIMPLEMENTED', reason: 'PULL_WEIGHTS' });
  });
});
