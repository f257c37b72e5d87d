import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { randomWeights, readModelTexts, writeModelFolder } from '@backsight/engine';
import { loadOrtEngine } from '@backsight/engine-ort';
import { connect, createLogger, type Connection, type StartedRoom } from '@backsight/rpc';
import { caughtFailure } from './caught-failure.js';
import { startPolicy } from './policy.js';
import { tinyConfig } from './tiny-model.js';

/** A context long enough that a completion takes a while. */
const config = { ...tinyConfig, contextWindow: 600, stopIds: [2] };
const slots = 4;
const maxPendingCompletions = 600;

let folder = '';
let room: StartedRoom;
let connection: Connection<typeof proto.PolicyServiceDefinition>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'policy-generate-'));
  const modelFolder = join(folder, 'model');
  const files = { 'tokenizer.json': '{"version":"1.0"}' };
  await writeModelFolder(modelFolder, { config, weights: randomWeights(config, 5, 0.3), files });
  const engine = await loadOrtEngine({
    modelFolder,
    checkpointFolder: join(folder, 'checkpoints'),
    threads: 1,
    generationSlots: slots,
    microBatchTokens: 1024,
  });
  const settings = {
    address: '127.0.0.1:0',
    openAiAddress: undefined,
    metricsAddress: undefined,
    maxConnectionAgeMs: undefined,
    follow: undefined,
    maxExamples: 10,
    maxPendingCompletions,
  };
  const logger = createLogger({ name: 'policy', level: 'silent' });
  room = await startPolicy(settings, engine, await readModelTexts(modelFolder), logger);
  connection = connect(proto.PolicyServiceDefinition, room.address, { retry: false });
});
afterAll(async () => {
  connection.close();
  await room.shutdown(1000);
  await rm(folder, { recursive: true });
});

interface Asked {
  readonly groupSize: number;
  readonly maxTokens: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly heard?: (completion: proto.Completion) => void;
}

/** All completions of one prompt, in the order they came. */
async function generate({
  groupSize,
  maxTokens,
  seed = 1,
  signal,
  heard,
}: Asked): Promise<proto.Completion[]> {
  const request = {
    prompts: [{ tokenIds: [1, 5, 6] }],
    groupSize,
    sampling: { temperature: 1, maxTokens, seed },
  };
  const found: proto.Completion[] = [];
  for await (const { completion } of connection.client.generate(
    request,
    signal === undefined ? {} : { signal },
  )) {
    if (completion === undefined) continue;
    found.push(completion);
    heard?.(completion);
  }
  return found;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('policyService generate, over a real engine', () => {
  it('sends completions as they end: of those that began together the shorter first', async () => {
    const found = await generate({ groupSize: slots, maxTokens: 60, seed: 3 });
    const lengths = found.map(({ tokenIds }) => tokenIds.length);
    expect(new Set(lengths).size).toBeGreaterThan(1);
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
    expect(found.map(({ sampleIndex }) => sampleIndex).sort()).toEqual([0, 1, 2, 3]);
  });

  it('lets requests take turns: a small one is not kept waiting by a large one', async () => {
    let large = 0;
    const running = generate({ groupSize: 400, maxTokens: 40, heard: () => (large += 1) });
    await until(() => large > 0);
    const before = large;
    expect(await generate({ groupSize: 2, maxTokens: 40, seed: 9 })).toHaveLength(2);
    // At most those that ran already, and one for each of its own turns, with some on their way.
    expect(large - before).toBeLessThan(60);
    expect(await running).toHaveLength(400);
  });

  it('answers the same whether requests are alone or share the slots', async () => {
    const texts = (all: proto.Completion[]) =>
      all.sort((a, b) => a.sampleIndex - b.sampleIndex).map(({ tokenIds }) => tokenIds);
    const alone = [];
    for (const seed of [1, 2, 3]) alone.push(texts(await generate({ groupSize: 6, maxTokens: 30, seed })));
    const together = await Promise.all(
      [1, 2, 3].map((seed) => generate({ groupSize: 6, maxTokens: 30, seed })),
    );
    expect(together.map(texts)).toEqual(alone);
  });

  it('is full at its bound, says when to come back, and has room at once when a caller gives up', async () => {
    const controller = new AbortController();
    let heard = 0;
    const { signal } = controller;
    const hold = { groupSize: maxPendingCompletions, maxTokens: 500, signal, heard: () => (heard += 1) };
    const held = caughtFailure(() => generate(hold));
    await until(() => heard > 0);
    const refused = await caughtFailure(() => generate({ groupSize: 1, maxTokens: 4 }));
    expect(refused).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: `${maxPendingCompletions} of at most ${maxPendingCompletions} completions are in progress`,
      retryAfterMs: 1000,
    });
    controller.abort();
    expect((await held).code).toBe('CANCELLED');
    const begin = performance.now();
    let room: proto.Completion[] = [];
    while (room.length === 0) room = await generate({ groupSize: 8, maxTokens: 4 }).catch(() => []);
    expect(room).toHaveLength(8);
    expect(performance.now() - begin).toBeLessThan(2000);
    expect(heard).toBeLessThan(maxPendingCompletions);
  });

  it('loses no slot to callers that give up at any moment', async () => {
    const patience = Array.from({ length: 200 }, (_, i) => (i * 7) % 40);
    const fates = await Promise.all(
      patience.map(async (ms, seed) => {
        await new Promise((resolve) => setTimeout(resolve, ms * 5));
        const signal = AbortSignal.timeout(ms + 1);
        return generate({ groupSize: 3, maxTokens: 200, seed, signal }).then(
          () => 'answered',
          () => 'gave up',
        );
      }),
    );
    expect(fates.filter((fate) => fate === 'gave up').length).toBeGreaterThan(50);
    expect(await generate({ groupSize: 3 * slots, maxTokens: 10 })).toHaveLength(3 * slots);
    expect(await generate({ groupSize: maxPendingCompletions, maxTokens: 2 })).toHaveLength(
      maxPendingCompletions,
    );
  });
});
