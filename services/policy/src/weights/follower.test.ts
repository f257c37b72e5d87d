import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import {
  narrowToBfloat16,
  randomWeights,
  readModelTexts,
  widenBfloat16,
  WeightSet,
  writeModelFolder,
  type Engine,
} from '@backsight/engine';
import { loadOrtEngine, type OrtEngineOptions } from '@backsight/engine-ort';
import { connect, createLogger, serve, service, type Connection, type Logger } from '@backsight/rpc';
import { freePort } from '@backsight/testing';
import { caughtFailure } from '../caught-failure.js';
import { startPolicy, type StartedPolicy } from '../policy.js';
import { tinyConfig } from '../tiny-model.js';

const quiet = createLogger({ name: 'policy', level: 'silent' });
type Client = Connection<typeof proto.PolicyServiceDefinition>['client'];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'policy-follow-'));
  const vocab = Object.fromEntries(Array.from({ length: 24 }, (_, id) => [String.fromCharCode(97 + id), id]));
  const files = {
    'tokenizer.json': JSON.stringify({ model: { type: 'WordLevel', vocab, unk_token: 'a' } }),
  };
  const models = { model: tinyConfig, other: { ...tinyConfig, vocabularySize: 25 } };
  for (const [name, config] of Object.entries(models))
    await writeModelFolder(join(folder, name), { config, weights: randomWeights(config, 5, 0.3), files });
  // The same shape with other weights: a follower's own, which it must never sample from.
  await writeModelFolder(join(folder, 'same-shape'), {
    config: tinyConfig,
    weights: randomWeights(tinyConfig, 6, 0.3),
    files,
  });
});
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(() => rm(folder, { recursive: true }));

interface Policy {
  readonly engine: Engine;
  readonly client: Client;
  readonly room: StartedPolicy;
  /** 200 while it says SERVING, else 503. */
  readonly health: () => Promise<number>;
  /** What it logged of weights it took over. */
  readonly taken: { version: number; bytes: number; whole: boolean }[];
  readonly problems: string[];
}

async function start(
  settings: {
    follow?: string;
    followType?: 'float32' | 'bfloat16';
    address?: string;
    model?: string;
    adapter?: NonNullable<OrtEngineOptions['adapter']>;
  } = {},
): Promise<Policy> {
  const { follow, followType = 'float32', address = '127.0.0.1:0', model = 'model', adapter } = settings;
  const modelFolder = join(folder, model);
  const checkpointFolder = join(folder, 'checkpoints');
  const limits = { threads: 1, generationSlots: 3, microBatchTokens: 256 };
  const engine = await loadOrtEngine({
    modelFolder,
    checkpointFolder,
    ...limits,
    ...(adapter && { adapter }),
  });
  const { taken, problems, logger } = listening();
  const common = {
    address,
    metricsAddress: '127.0.0.1:0',
    maxConnectionAgeMs: undefined,
    openAiAddress: '127.0.0.1:0',
  };
  const config = { ...common, maxExamples: 100, maxPendingCompletions: 100 };
  const following =
    follow === undefined ? { follow } : { follow, followType, followIntervalMs: 10, followStaleAfterMs: 100 };
  const room = await startPolicy(
    { ...config, ...following },
    engine,
    await readModelTexts(modelFolder),
    logger,
  );
  closers.push(() => room.shutdown(100));
  const { client, close } = connect(proto.PolicyServiceDefinition, room.address, { retry: false });
  closers.push(close);
  const health = async () => (await fetch(`http://${room.metricsAddress!}/healthz`)).status;
  return { engine, client, room, health, taken, problems };
}

/** A logger whose lines about weights are kept. */
function listening() {
  const taken: Policy['taken'] = [];
  const problems: string[] = [];
  const info = (fields: Policy['taken'][number], message: string) => {
    if (message === 'weights taken over')
      taken.push({ version: fields.version, bytes: fields.bytes, whole: fields.whole });
  };
  const warn = ({ problem }: { problem: string }) => problems.push(problem);
  const logger = Object.assign(Object.create(quiet), { info, warn }) as Logger;
  return { taken, problems, logger };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const item = { promptIds: [1, 5, 6], completionIds: [9, 10, 11, 12, 2] };
const score = async ({ client }: Pick<Policy, 'client'>) => {
  const { scores, policyVersion } = await client.score({ items: [item], topK: 4 });
  return { scores, policyVersion };
};
const versionOf = async ({ client }: Policy) => (await client.describe({})).version;
const nameOf = async ({ client }: Policy) => (await client.describe({ brief: true })).weightsId;
const hasWeights = (policy: Policy) => async () => (await policy.health()) === 200;

async function train({ client }: Policy, expectedVersion: number) {
  async function* messages(): Parameters<Client['trainStep']>[0] {
    await Promise.resolve();
    const objective = { likelihood: { weight: 1 } };
    yield {
      payload: { $case: 'plan', value: { expectedVersion, objective, optimizer: { learningRate: 0.01 } } },
    };
    const { promptIds: studentPromptIds, completionIds } = item;
    yield { payload: { $case: 'example', value: { studentPromptIds, completionIds } } };
  }
  return client.trainStep(messages());
}

async function generate({ client }: Policy, groupSize = 4): Promise<proto.Completion[]> {
  const sampling = { temperature: 1, maxTokens: 40, seed: 42 };
  const found: proto.Completion[] = [];
  for await (const { completion } of client.generate({
    prompts: [{ tokenIds: [1, 5] }],
    groupSize,
    sampling,
  }))
    if (completion !== undefined) found.push(completion);
  return found.sort((a, b) => a.sampleIndex - b.sampleIndex);
}

describe('Follower', () => {
  it('scores and samples what the trainer does, bit for bit, after every step', async () => {
    const trainer = await start();
    const follower = await start({ follow: trainer.room.address, model: 'same-shape' });
    await until(hasWeights(follower));
    expect(await score(follower)).toEqual(await score(trainer));
    for (let version = 0; version < 3; version++) {
      await train(trainer, version);
      await until(async () => (await versionOf(follower)) === version + 1);
      await until(async () => (await nameOf(follower)) === (await nameOf(trainer)));
      expect(await score(follower)).toEqual(await score(trainer));
      expect(await generate(follower)).toEqual(await generate(trainer));
    }
    expect(follower.taken.map(({ version, whole }) => [version, whole])).toEqual([
      [0, true],
      [1, false],
      [2, false],
      [3, false],
    ]);
  });

  it('follows a restored trainer back, though the version may be one it had', async () => {
    const trainer = await start();
    const follower = await start({ follow: trainer.room.address });
    await trainer.client.saveCheckpoint({ name: 'start' });
    await train(trainer, 0);
    await until(async () => (await versionOf(follower)) === 1);
    const first = await score(follower);
    await trainer.client.restoreCheckpoint({ name: 'initial' });
    await generate(trainer);
    async function* messages(): Parameters<Client['trainStep']>[0] {
      await Promise.resolve();
      const objective = { likelihood: { weight: 1 } };
      const plan = { expectedVersion: 0, objective, optimizer: { learningRate: 0.02 } };
      yield { payload: { $case: 'plan', value: plan } };
      yield { payload: { $case: 'example', value: { studentPromptIds: [1], completionIds: [3, 4] } } };
    }
    await trainer.client.trainStep(messages());
    // The version alone would not tell: it was 1 before.
    await until(async () => (await nameOf(follower)) === (await nameOf(trainer)));
    expect(await score(follower)).toEqual(await score(trainer));
    expect(await versionOf(follower)).toBe(1);
    expect(await score(follower)).not.toEqual(first);
  });

  it('follows in bfloat16 with the weights rounded, at half the bytes', async () => {
    const trainer = await start();
    await train(trainer, 0);
    const follower = await start({ follow: trainer.room.address, followType: 'bfloat16' });
    await until(hasWeights(follower));
    const { version, weights } = await trainer.engine.readWeights();
    expect(follower.taken).toEqual([{ version: 1, whole: true, bytes: 2 * weights.flat.length }]);
    const narrow = new Uint16Array(weights.flat.length);
    narrowToBfloat16(weights.flat, narrow);
    const rounded = new WeightSet(weights.table);
    widenBfloat16(narrow, rounded.flat);
    const reference = await start();
    await reference.engine.replaceWeights({ version, weights: rounded });
    expect(await score(follower)).toEqual(await score(reference));
    await train(trainer, 1);
    await until(async () => (await versionOf(follower)) === 2);
    expect(follower.taken[1]).toMatchObject({ version: 2, whole: false });
  });

  it('follows a trainer of an adapter with its product merged in, and is sent what the adapter changes alone', async () => {
    const trainer = await start({
      adapter: { kind: 'fresh', rank: 2, alpha: 4, targets: ['v_proj'], seed: 1 },
    });
    const follower = await start({ follow: trainer.room.address, model: 'same-shape' });
    await until(hasWeights(follower));
    expect(await score(follower)).toEqual(await score(trainer));
    await train(trainer, 0);
    await until(async () => (await versionOf(follower)) === 1);
    expect(await score(follower)).toEqual(await score(trainer));
    const { layers, keyValueHeads, headDim, hiddenSize } = tinyConfig;
    expect(follower.taken[1]).toMatchObject({ version: 1, whole: false });
    expect(follower.taken[1]!.bytes).toBeLessThanOrEqual(4 * layers * keyValueHeads * headDim * hiddenSize);
  });

  it('can be followed itself', async () => {
    const trainer = await start();
    const first = await start({ follow: trainer.room.address });
    const second = await start({ follow: first.room.address, model: 'same-shape' });
    await train(trainer, 0);
    await until(async () => (await versionOf(second)) === 1);
    expect(await score(second)).toEqual(await score(trainer));
  });

  it('drops no running request, and stamps every completion with the one version that sampled it', async () => {
    const trainer = await start();
    const follower = await start({ follow: trainer.room.address });
    // The first step loads what training needs; the second comes while the follower samples.
    await train(trainer, 0);
    await trainer.client.saveCheckpoint({ name: 'one' });
    await until(async () => (await versionOf(follower)) === 1);
    const running = generate(follower, 100);
    await train(trainer, 1);
    await trainer.client.saveCheckpoint({ name: 'two' });
    const completions = await running;
    expect(completions).toHaveLength(100);
    expect(new Set(completions.map(({ policyVersion }) => policyVersion))).toEqual(new Set([1, 2]));
    for (const [version, name] of [
      [1, 'one'],
      [2, 'two'],
    ] as const) {
      await trainer.client.restoreCheckpoint({ name });
      const own = completions.filter(({ policyVersion }) => policyVersion === version);
      const items = own.map(({ tokenIds }) => ({ promptIds: [1, 5], completionIds: [...tokenIds] }));
      const { scores } = await trainer.client.score({ items });
      own.forEach(({ logprobs }, i) => {
        logprobs.forEach((logprob, t) => {
          expect(logprob).toBeCloseTo(scores[i]!.logprobs[t]!, 4);
        });
      });
    }
  });

  it('goes on with what it has while the trainer is away, says that it is stale, and catches up', async () => {
    const trainer = await start();
    const { address } = trainer.room;
    const follower = await start({ follow: address });
    await train(trainer, 0);
    await until(async () => (await versionOf(follower)) === 1);
    const before = await score(follower);
    await trainer.room.shutdown(0);
    await until(async () => (await follower.health()) === 503);
    expect(await score(follower)).toEqual(before);
    expect(await generate(follower)).toHaveLength(4);
    const again = await start({ address });
    await until(hasWeights(follower));
    await until(async () => (await versionOf(follower)) === 0);
    expect(await score(follower)).toEqual(await score(again));
    expect(follower.taken.at(-1)).toMatchObject({ version: 0, whole: true });
  });

  it('keeps its weights when a piece arrives broken, names the tensor, and asks again', async () => {
    const honest = await start();
    let broken = true;
    const faulty = await serve({
      name: 'policy',
      address: '127.0.0.1:0',
      logger: quiet,
      services: [
        service(proto.PolicyServiceDefinition, {
          ...unused,
          describe: () => honest.client.describe({}),
          async *pullWeights(request) {
            for await (const message of honest.client.pullWeights(request)) {
              const { chunk } = message;
              if (broken && chunk?.name === 'model.norm.weight') {
                const data = Uint8Array.from(chunk.data, (byte, i) => (i === 5 ? byte ^ 4 : byte));
                yield { ...message, chunk: { ...chunk, data } };
              } else yield message;
            }
          },
        }),
      ],
    });
    closers.push(() => faulty.shutdown(0));
    broken = false;
    const follower = await start({ follow: faulty.address });
    await until(hasWeights(follower));
    const before = await score(follower);
    broken = true;
    await train(honest, 0);
    await until(() => follower.problems.length > 2);
    expect(follower.problems[0]).toContain('tensor "model.norm.weight": the piece at element');
    expect(await score(follower)).toEqual(before);
    broken = false;
    await until(async () => (await versionOf(follower)) === 1);
    expect(await score(follower)).toEqual(await score(honest));
  });

  it('is sent the changes alone once the way to the trainer is mended', async () => {
    const trainer = await start();
    const address = `127.0.0.1:${await freePort()}`;
    const way = () =>
      serve({
        name: 'policy',
        address,
        logger: quiet,
        services: [
          service(proto.PolicyServiceDefinition, {
            ...unused,
            describe: (request) => trainer.client.describe(request),
            pullWeights: (request) => trainer.client.pullWeights(request),
          }),
        ],
      });
    const broken = await way();
    const follower = await start({ follow: address });
    await until(hasWeights(follower));
    await broken.shutdown(0);
    await until(() => follower.problems.length > 1);
    const mended = await way();
    closers.push(() => mended.shutdown(0));
    await train(trainer, 0);
    await until(async () => (await versionOf(follower)) === 1);
    expect(follower.taken.map(({ whole }) => whole)).toEqual([true, false]);
    expect(await score(follower)).toEqual(await score(trainer));
  });

  it('keeps its weights when the trainer dies in the middle of them, and takes those of its successor', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const [first, successor] = [await start(), await start({ model: 'same-shape' })];
    const serveFor = (policy: Policy, pieces: number) =>
      serve({
        name: 'policy',
        address,
        logger: quiet,
        services: [
          service(proto.PolicyServiceDefinition, {
            ...unused,
            describe: (request) => policy.client.describe(request),
            async *pullWeights(request) {
              let sent = 0;
              for await (const message of policy.client.pullWeights(request)) {
                yield message;
                // A delta of nothing is one message: this one has changes, of which some have come.
                if (request.baseVersion !== undefined && ++sent === pieces) await dying.shutdown(0);
              }
            },
          }),
        ],
      });
    const dying = await serveFor(first, 2);
    const follower = await start({ follow: address });
    await until(hasWeights(follower));
    const before = await score(follower);
    await train(first, 0);
    await until(() => follower.problems.length > 0);
    expect(await score(follower)).toEqual(before);
    const next = await serveFor(successor, Infinity);
    closers.push(() => next.shutdown(0));
    await until(() => follower.taken.length > 1);
    expect(follower.taken.at(-1)).toMatchObject({ version: 0, whole: true });
    expect(await score(follower)).toEqual(await score(successor));
  });

  it('samples nothing before it has weights, and says what it waits for', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const follower = await start({ follow: address });
    expect(await follower.health()).toBe(503);
    for (const call of [() => generate(follower), () => score(follower)]) {
      const failure = await caughtFailure(call);
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1000 });
      expect(failure.message).toContain(`waiting for the weights of the trainer at ${address}`);
    }
    const ask = () =>
      fetch(`http://${follower.room.openAiAddress!}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'model', prompt: [1, 5] }),
      });
    const refusal = await ask();
    expect([refusal.status, refusal.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refusal.json()).toMatchObject({ error: { code: 'no_weights_yet' } });
    const trainer = await start({ address });
    await until(hasWeights(follower));
    expect(await score(follower)).toEqual(await score(trainer));
    expect((await ask()).status).toBe(200);
  });

  it('refuses the weights of another model, naming both', async () => {
    const trainer = await start({ model: 'other' });
    const follower = await start({ follow: trainer.room.address });
    await until(() => follower.problems.length > 0);
    const failure = await caughtFailure(() => score(follower));
    expect(failure.code).toBe('UNAVAILABLE');
    expect(failure.message).toMatch(/has another model: other \(llama, \d+ parameters, vocabulary of 25\)/);
    expect(failure.message).toMatch(/where this policy is model \(llama, \d+ parameters, vocabulary of 24\)/);
    expect(await follower.health()).toBe(503);
  });

  it('samples only: what changes weights is for the trainer, which it names', async () => {
    const trainer = await start();
    const follower = await start({ follow: trainer.room.address });
    await until(hasWeights(follower));
    const { client } = follower;
    const calls = [
      () => train(follower, 0),
      () => client.saveCheckpoint({ name: 'a' }),
      () => client.restoreCheckpoint({ name: 'initial' }),
      () => client.score({ items: [item], weights: proto.WeightSet.TEACHER }),
    ];
    for (const call of calls) {
      const failure = await caughtFailure(call);
      expect(failure.code).toBe('FAILED_PRECONDITION');
      expect(failure.message).toContain(
        `samples only; send this call to the trainer at ${trainer.room.address}`,
      );
    }
    const { training } = await client.describe({});
    expect(training).toEqual({ objectives: [], teachers: [], maxSupport: 0, commits: false });
    expect((await client.listCheckpoints({})).checkpoints).toEqual([]);
    expect(await versionOf(follower)).toBe(0);
  });
});

const notCalled = () => Promise.reject(new Error('Nobody should call this.'));
const unused = {
  generate: notCalled as never,
  score: notCalled,
  trainStep: notCalled,
  saveCheckpoint: notCalled,
  restoreCheckpoint: notCalled,
  listCheckpoints: notCalled,
  exportCheckpoint: notCalled,
};
