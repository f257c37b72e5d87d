import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CheckpointError,
  EngineInputError,
  WeightSet,
  type Engine,
  type SampledCompletion,
} from '@backsight/engine';
import { loadOrtEngine } from './load-engine.js';
import { collect, examplesOf, fingerprint, never, plan, request, TestEngines } from './test-engine.js';
import { testConfig, writeTestModel } from './test-model.js';

let engines: TestEngines;
beforeAll(async () => {
  engines = await TestEngines.create();
});
afterEach(() => engines.closeAll());
afterAll(() => engines.remove());

describe('loadOrtEngine', () => {
  it('describes the model and itself', async () => {
    const engine = await engines.load({ threads: 2 });
    expect(engine.card).toEqual({
      model: 'model',
      architecture: 'llama',
      parameterCount: 31 * 24 + 2 * (2 * 24 + (4 + 2 * 2) * 16 * 24 + 24 * 4 * 16 + 3 * 24 * 40) + 24,
      vocabularySize: 31,
      contextWindow: 50,
      stopIds: [2],
    });
    expect(engine.info).toMatchObject({ name: 'onnxruntime', device: 'cpu', threads: 2, generationSlots: 4 });
    expect(engine.info.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(engine.version).toBe(0);
  });

  it('refuses options out of range', async () => {
    const load = engines.load({ threads: 0, generationSlots: 1.5 });
    await expect(load).rejects.toThrow(EngineInputError);
    await expect(load).rejects.toMatchObject({
      violations: [{ field: 'threads' }, { field: 'generationSlots' }],
    });
  });

  it('refuses heads that the decoding operator cannot take, naming the key', async () => {
    const folder = join(engines.folder, 'odd');
    await writeTestModel(folder, { ...testConfig, headDim: 24 });
    const load = engines.load({ modelFolder: folder });
    await expect(load).rejects.toThrow(CheckpointError);
    await expect(load).rejects.toThrow(/config\.json: head_dim: 24 is not a multiple of 16/);
  });

  it('runs a model with untied embeddings', async () => {
    const folder = join(engines.folder, 'untied');
    await writeTestModel(folder, { ...testConfig, tiedEmbeddings: false });
    const engine = await engines.load({ modelFolder: folder });
    const completions = await collect(engine);
    const report = await engine.trainStep(plan, examplesOf(completions), never);
    expect(report.metrics['sampling/logprob_abs_diff_max']).toBeLessThan(1e-4);
  });
});

describe('OrtEngine', () => {
  it('samples every completion from one version while training comes between', async () => {
    const engine = await engines.load({ generationSlots: 3 });
    const examples = examplesOf(await collect(engine));
    const asked = { ...request, groupSize: 12, sampling: { ...request.sampling, maxTokens: 30 } };
    const found: SampledCompletion[] = [];
    await engine.saveCheckpoint('before');
    let training: Promise<unknown> | undefined;
    for await (const completion of engine.generate(asked, never)) {
      found.push(completion);
      training ??= engine.trainStep(plan, examples, never);
    }
    await training;
    await engine.saveCheckpoint('after');
    const snapshots = new Map([
      [0, 'before'],
      [2, 'after'],
    ]);
    expect(found).toHaveLength(36);
    expect(new Set(found.map(({ policyVersion }) => policyVersion))).toEqual(new Set([0, 2]));
    for (const [version, name] of snapshots) {
      await engine.restoreCheckpoint(name);
      expect(engine.version).toBe(version);
      const own = found.filter(({ policyVersion }) => policyVersion === version);
      const scores = await engine.score(
        {
          items: own.map(({ promptIndex, tokenIds }) => ({
            promptIds: request.prompts[promptIndex]!,
            completionIds: tokenIds,
          })),
          weights: 'student',
          temperature: 1,
          topK: 0,
        },
        never,
      );
      own.forEach(({ logprobs }, i) => {
        logprobs.forEach((logprob, t) => {
          expect(logprob).toBeCloseTo(scores[i]!.logprobs[t]!, 4);
        });
      });
    }
  });

  it('goes on from a checkpoint exactly where it was', async () => {
    const engine = await engines.load();
    const examples = examplesOf(await collect(engine));
    await engine.trainStep(plan, examples, never);
    const saved = await engine.saveCheckpoint('resume');
    expect(saved).toMatchObject({ name: 'resume', version: 2 });
    const next = { ...plan, expectedVersion: 2 };
    const report = await engine.trainStep(next, examples, never);

    const other = await engines.load();
    expect(await other.restoreCheckpoint('resume')).toEqual(saved);
    expect(other.version).toBe(2);
    expect((await other.trainStep(next, examples, never)).steps).toEqual(report.steps);
    expect(await fingerprint(other)).toEqual(await fingerprint(engine));
    expect(await fingerprint(other, 'teacher')).toEqual(await fingerprint(engine, 'teacher'));
  });

  it('takes ten steps to the same bits straight, and with a restart after five', async () => {
    const resumable: typeof plan = {
      ...plan,
      objective: { ...plan.objective, rolloutImportanceCap: 2 },
      optimizer: { ...plan.optimizer, weightDecay: 0.01 },
    };
    /** Steps of sampling and training, as a run takes them; everything they tell. */
    const steps = async (engine: Engine, from: number, to: number) => {
      const told: unknown[] = [];
      for (let step = from; step < to; step++) {
        const completions = await collect(engine, {
          ...request,
          sampling: { ...request.sampling, seed: step },
        });
        const stepPlan = { ...resumable, expectedVersion: engine.version, shuffleSeed: step };
        const { seconds: _, ...report } = await engine.trainStep(stepPlan, examplesOf(completions), never);
        told.push(completions, report);
      }
      return told;
    };
    const straight = await engines.load();
    const first = await steps(straight, 0, 5);
    const second = await steps(straight, 5, 10);

    const before = await engines.load();
    expect(await steps(before, 0, 5)).toEqual(first);
    await before.saveCheckpoint('after-five');
    await before.close();
    const after = await engines.load();
    await after.restoreCheckpoint('after-five');
    expect(await steps(after, 5, 10)).toEqual(second);
    const [expected, found] = [await straight.readWeights(), await after.readWeights()];
    expect(found.version).toBe(20);
    expect(found.weights.equals(expected.weights)).toBe(true);
    expect(await fingerprint(after, 'teacher')).toEqual(await fingerprint(straight, 'teacher'));
  });

  it('refuses the checkpoint of a policy that began with other weights, and keeps its own', async () => {
    const engine = await engines.load();
    await engine.trainStep(plan, examplesOf(await collect(engine)), never);
    await engine.saveCheckpoint('one');
    const folder = await engine.exportCheckpoint('elsewhere');
    const other = await engines.load({ modelFolder: folder });
    const before = await fingerprint(other);
    await expect(other.restoreCheckpoint('one')).rejects.toThrow(
      'one.json: was saved by a policy that began with other weights than elsewhere; start it with that model',
    );
    expect([other.version, await fingerprint(other)]).toEqual([0, before]);
  });

  it('keeps the last and the best checkpoints, if it is to', async () => {
    const checkpointFolder = join(engines.folder, 'retained');
    const engine = await engines.load({ checkpointFolder, retention: { last: 1, best: 1 } });
    for (const [name, score] of [
      ['a', 1],
      ['b', 3],
      ['c', 2],
      ['d', undefined],
    ] as const) {
      await engine.saveCheckpoint(name, score);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await engine.listCheckpoints()).map(({ name, score }) => [name, score])).toEqual([
      ['d', undefined],
      ['b', 3],
      ['initial', undefined],
    ]);
  });

  it('returns to the weights it was started with', async () => {
    const engine = await engines.load();
    const [student, completions] = [await fingerprint(engine), await collect(engine)];
    const report = await engine.trainStep(plan, examplesOf(completions), never);
    expect(await engine.restoreCheckpoint('initial')).toMatchObject({ name: 'initial', version: 0 });
    expect(engine.version).toBe(0);
    expect(await fingerprint(engine)).toEqual(student);
    expect(await fingerprint(engine, 'teacher')).toEqual(student);
    expect((await engine.trainStep(plan, examplesOf(completions), never)).steps).toEqual(report.steps);
  });

  it('lists checkpoints, the initial one among them', async () => {
    const engine = await engines.load({ checkpointFolder: join(engines.folder, 'listed') });
    await engine.saveCheckpoint('one');
    expect((await engine.listCheckpoints()).map(({ name }) => name)).toEqual(['one', 'initial']);
  });

  it('keeps everything when a checkpoint is missing or corrupt', async () => {
    const checkpointFolder = join(engines.folder, 'corrupt');
    const engine = await engines.load({ checkpointFolder });
    await engine.trainStep(plan, examplesOf(await collect(engine)), never);
    const before = await fingerprint(engine);
    await engine.saveCheckpoint('bad');
    const manifest = join(checkpointFolder, 'bad.json');
    await writeFile(
      manifest,
      (await readFile(manifest, 'utf8')).replace(/"sha256": "..../, '"sha256": "0000'),
    );
    await expect(engine.restoreCheckpoint('bad')).rejects.toThrow(CheckpointError);
    await expect(engine.restoreCheckpoint('none')).rejects.toMatchObject({ reason: 'missing' });
    expect(engine.version).toBe(2);
    expect(await fingerprint(engine)).toEqual(before);
  });

  it('exports a folder that it can be started from', async () => {
    const engine = await engines.load();
    await engine.trainStep(plan, examplesOf(await collect(engine)), never);
    const folder = await engine.exportCheckpoint('better');
    const other = await engines.load({ modelFolder: folder });
    expect(other.card).toEqual({ ...engine.card, model: 'better' });
    expect(await fingerprint(other)).toEqual(await fingerprint(engine));
  });

  it('hands out its weights and takes over those of another engine', async () => {
    const [trainer, follower] = [await engines.load(), await engines.load()];
    await trainer.trainStep(plan, examplesOf(await collect(trainer)), never);
    const read = await trainer.readWeights();
    expect(read.version).toBe(2);
    const before = await fingerprint(trainer);
    await follower.replaceWeights(read);
    expect(follower.version).toBe(2);
    expect(await fingerprint(follower)).toEqual(before);
    read.weights.flat.fill(0);
    expect(await fingerprint(trainer)).toEqual(before);
    expect(await fingerprint(follower)).toEqual(before);
  });

  it('takes over weights between completions, never within one', async () => {
    const [trainer, follower] = [await engines.load(), await engines.load({ generationSlots: 3 })];
    await trainer.trainStep(plan, examplesOf(await collect(trainer)), never);
    const read = await trainer.readWeights();
    const asked = { ...request, groupSize: 12, sampling: { ...request.sampling, maxTokens: 30 } };
    const versions = new Map<string, Set<number>>();
    let replaced: Promise<void> | undefined;
    const found = await collect(follower, {
      ...asked,
      onToken: ({ promptIndex, sampleIndex, policyVersion }) => {
        replaced ??= follower.replaceWeights(read);
        const key = `${promptIndex}/${sampleIndex}`;
        versions.set(key, (versions.get(key) ?? new Set()).add(policyVersion));
        return 'go-on';
      },
    });
    await replaced;
    for (const { promptIndex, sampleIndex, policyVersion } of found)
      expect(versions.get(`${promptIndex}/${sampleIndex}`)).toEqual(new Set([policyVersion]));
    expect(new Set(found.map(({ policyVersion }) => policyVersion))).toEqual(new Set([0, 2]));
  });

  it('refuses the weights of another model, naming the tensor', async () => {
    const engine = await engines.load();
    const { weights } = await engine.readWeights();
    const table = new Map([...weights.table].filter(([name]) => name !== 'model.norm.weight'));
    const replaced = engine.replaceWeights({ version: 9, weights: new WeightSet(table) });
    await expect(replaced).rejects.toThrow(EngineInputError);
    await expect(replaced).rejects.toThrow('weights: tensor "model.norm.weight" is missing');
    expect(engine.version).toBe(0);
  });

  it('names the item that cannot be scored', async () => {
    const engine = await engines.load();
    const wrong = engine.score(
      { items: [{ promptIds: [1], completionIds: [] }], weights: 'student', temperature: 0, topK: 32 },
      never,
    );
    await expect(wrong).rejects.toMatchObject({
      violations: [
        { field: 'temperature' },
        { field: 'top_k' },
        { field: 'items[0]', description: 'the completion is empty' },
      ],
    });
  });

  it('refuses work after it is closed', async () => {
    const engine = await engines.load();
    await engine.close();
    await expect(engine.trainStep(plan, [], never)).rejects.toThrow('The engine is closed.');
  });

  it('says what it loaded to the logger it was given', async () => {
    const messages: string[] = [];
    const log = (_: unknown, message: string) => {
      messages.push(message);
    };
    const engine = await loadOrtEngine({
      modelFolder: join(engines.folder, 'model'),
      checkpointFolder: join(engines.folder, 'checkpoints'),
      threads: 1,
      generationSlots: 1,
      microBatchTokens: 8,
      logger: { info: log, warn: log },
    });
    await engine.close();
    expect(messages).toEqual(['model loaded']);
  });
});
