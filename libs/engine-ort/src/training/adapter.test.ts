/** Training an adapter, through the engine's public face. */

import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EngineInputError,
  freshAdapter,
  loadModelFolder,
  loadPeftFolder,
  mergeAdapter,
  UnsupportedError,
  writeModelFolder,
  type Engine,
  type TrainPlan,
  type WeightSet,
} from '@backsight/engine';
import { Model } from '../transformer/model.js';
import { memoryLimits, type MemoryLimits } from '../transformer/memory-plan.js';
import { collect, examplesOf, fingerprint, never, plan, request, TestEngines } from '../test-engine.js';
import { testConfig, testWeights } from '../test-model.js';
import type { AdapterOptions } from './adapter-options.js';
import { GradientSum } from './gradient.js';
import { Means } from './means.js';
import { MiniBatch } from './mini-batch.js';
import { PolicyWeights } from './policy-weights.js';
import { prepareExample } from './prepare.js';
import { teach } from './teacher.js';

const adapter: AdapterOptions = {
  kind: 'fresh',
  rank: 2,
  alpha: 4,
  targets: ['q_proj', 'v_proj', 'down_proj'],
  seed: 3,
};

let engines: TestEngines;
beforeAll(async () => {
  engines = await TestEngines.create();
});
afterEach(() => engines.closeAll());
afterAll(() => engines.remove());

const modelFolder = () => join(engines.folder, 'model');
const stepped = async (engine: Engine, change: Partial<TrainPlan> = {}) => {
  const examples = examplesOf(await collect(engine));
  return engine.trainStep({ ...plan, expectedVersion: engine.version, ...change }, examples, never);
};

describe('an engine with an adapter', () => {
  it('begins as the model itself', async () => {
    const [plain, adapted] = [await engines.load(), await engines.load({ adapter })];
    expect(await fingerprint(adapted)).toEqual(await fingerprint(plain));
    expect(await collect(adapted)).toEqual(await collect(plain));
  });

  it('moves the targets by the product of its factors, and nothing else', async () => {
    const engine = await engines.load({ adapter });
    await stepped(engine);
    const { config, weights: base } = await loadModelFolder(modelFolder());
    const exported = await loadModelFolder(await engine.exportCheckpoint('whole'));
    const factors = await loadPeftFolder(await engine.exportCheckpoint('adapter', 'peft'), config);
    const merged = base.clone();
    mergeAdapter(config, base, factors, merged);
    expect(exported.weights.equals(merged)).toBe(true);
    for (const { name, values } of exported.weights.tensors.values()) {
      const moved = values.some((value, i) => value !== base.tensor(name).values[i]);
      expect([name, moved]).toEqual([name, /(q|v|down)_proj\.weight$/.test(name)]);
    }
  });

  it('learns: the same examples cost less after some steps', async () => {
    const engine = await engines.load({ adapter });
    const examples = examplesOf(await collect(engine));
    const losses: number[] = [];
    for (let step = 0; step < 8; step++) {
      const frozen = {
        ...plan,
        expectedVersion: engine.version,
        miniBatches: 1,
        teacher: { ...plan.teacher, kind: 'frozen' },
      } as const;
      losses.push((await engine.trainStep(frozen, examples, never)).steps[0]!.loss);
    }
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]!);
  });

  it('lets an EMA teacher follow the product, not the factors', async () => {
    const engine = await engines.load({ adapter });
    const rate = 0.3;
    const expected = testWeights();
    for (let step = 0; step < 2; step++) {
      await stepped(engine, { teacher: { kind: 'ema', rate, cadence: 'batch' } });
      const { weights } = await loadModelFolder(await engine.exportCheckpoint(`step-${step}`));
      expected.flat.forEach((old, i) => (expected.flat[i] = old + rate * (weights.flat[i]! - old)));
    }
    const folder = join(engines.folder, 'averaged');
    await writeModelFolder(folder, {
      config: testConfig,
      weights: expected,
      files: { 'tokenizer.json': '{}' },
    });
    const averaged = await engines.load({ modelFolder: folder });
    expect(await fingerprint(engine, 'teacher')).toEqual(await fingerprint(averaged));
  });

  it('goes on from a checkpoint to the same bits, and from an exported adapter', async () => {
    const engine = await engines.load({ adapter });
    await stepped(engine);
    await engine.saveCheckpoint('half-way');
    const folder = await engine.exportCheckpoint('half-way', 'peft');
    const atHalf = await fingerprint(engine);
    const report = await stepped(engine);

    const resumed = await engines.load({ adapter });
    await resumed.restoreCheckpoint('half-way');
    expect((await stepped(resumed)).steps).toEqual(report.steps);
    expect(await fingerprint(resumed)).toEqual(await fingerprint(engine));
    expect(await fingerprint(resumed, 'teacher')).toEqual(await fingerprint(engine, 'teacher'));

    const imported = await engines.load({ adapter: { kind: 'folder', folder } });
    expect(await fingerprint(imported)).toEqual(atHalf);
    await stepped(imported);
    await imported.restoreCheckpoint('initial');
    expect(await fingerprint(imported)).toEqual(atHalf);
  });

  it('takes all steps of a plan or none', async () => {
    const engine = await engines.load({ adapter });
    const before = await fingerprint(engine);
    const examples = examplesOf(await collect(engine));
    const training = engine.trainStep({ ...plan, miniBatches: 6 }, examples, abortedAtCheck(6));
    await expect(training).rejects.toThrow(/abort/);
    expect(engine.version).toBe(0);
    expect(await fingerprint(engine)).toEqual(before);
    // The factors went back too: the first step is the first again.
    const again = await engines.load({ adapter });
    expect((await stepped(engine)).steps).toEqual((await stepped(again)).steps);
  });

  it('does not mistake a checkpoint of all weights for one of an adapter, nor the other way round', async () => {
    const [plain, adapted] = [await engines.load(), await engines.load({ adapter })];
    await stepped(plain);
    await plain.saveCheckpoint('plain');
    await expect(adapted.restoreCheckpoint('plain')).rejects.toThrow(
      /plain\.json: holds no adapter, and this policy trains one; start it without$/,
    );
    await stepped(adapted);
    await adapted.saveCheckpoint('adapted');
    await expect(plain.restoreCheckpoint('adapted')).rejects.toThrow(
      /adapted\.json: holds an adapter and its optimizer, and this policy trains all weights; start it with/,
    );
    const other = await engines.load({ adapter: { ...adapter, rank: 3 } });
    await expect(other.restoreCheckpoint('adapted')).rejects.toThrow(
      /expected shape \[3, \d+\], found \[2, \d+\]/,
    );
  });

  it('exports an adapter only where there is one, and takes no weights in its place', async () => {
    const [plain, adapted] = [await engines.load(), await engines.load({ adapter })];
    await expect(plain.exportCheckpoint('none', 'peft')).rejects.toThrow(UnsupportedError);
    await expect(adapted.replaceWeights(await plain.readWeights())).rejects.toThrow(UnsupportedError);
  });

  it('refuses settings that name no matrix or have no rank, field by field', async () => {
    const load = engines.load({
      adapter: { kind: 'fresh', rank: 0, alpha: 0, targets: ['lm_head'], seed: 1 },
    });
    await expect(load).rejects.toThrow(EngineInputError);
    await expect(load).rejects.toMatchObject({
      violations: [{ field: 'adapter.rank' }, { field: 'adapter.alpha' }, { field: 'adapter.targets' }],
    });
  });
});

describe('MiniBatch, with an adapter', () => {
  it.each([
    ['in part', 200_000],
    ['as a whole', 0],
  ])(
    'computes the same gradient where layers are computed again %s and the head works in shares',
    async (_, activationBytes) => {
      const [plain, sparing] = [
        await gradientWith(memoryLimits),
        await gradientWith({ activationBytes, logits: 1 }),
      ];
      const largest = plain.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
      const worst = plain.reduce((max, g, i) => Math.max(max, Math.abs(g - sparing[i]!)), 0);
      expect(largest).toBeGreaterThan(0);
      expect(worst / largest).toBeLessThan(1e-5);
    },
  );
});

/** A signal that aborts when it is looked at for the n-th time: after some steps, before the last. */
function abortedAtCheck(n: number): AbortSignal {
  const stop = new AbortController();
  let checks = 0;
  const throwIfAborted = () => {
    checks += 1;
    if (checks === n) stop.abort();
    AbortSignal.prototype.throwIfAborted.call(stop.signal);
  };
  return Object.defineProperty(stop.signal, 'throwIfAborted', { value: throwIfAborted });
}

/** The gradient of one distillation step by the factors of an adapter that is not fresh any more. */
async function gradientWith(memory: MemoryLimits): Promise<Float32Array> {
  const settings = { rank: 2, alpha: 4, targets: ['k_proj', 'o_proj', 'gate_proj', 'up_proj'] } as const;
  const { factors } = freshAdapter(testConfig, settings, 1);
  fill(factors);
  const model = new Model(testConfig, 256, 1, 'rows', memory, 'cpu', settings);
  const policy = new PolicyWeights(testWeights(), { config: testConfig, adapter: { settings, factors } });
  const gradient = new GradientSum(model, policy.trained.flat.length);
  const examples = examplesOf(
    request.prompts.map((_, promptIndex) => ({
      promptIndex,
      sampleIndex: 0,
      tokenIds: [5, 9, 2],
      logprobs: [-1, -2, -3],
      finishReason: 'stop',
      policyVersion: 0,
    })),
  );
  const frozen: TrainPlan = { ...plan, teacher: { kind: 'frozen', rate: 0, cadence: 'hold' } };
  const teaching = await teach(model, policy, frozen.teacher, policy.student.flat, examples, never);
  const prepared = examples.map((example) => prepareExample(frozen.objective, example, undefined));
  await new MiniBatch({ model, policy, gradient }, frozen, prepared, teaching).computeGradient(
    new Means(),
    false,
    never,
  );
  await model.programs.release();
  return gradient.total;
}

function fill({ flat }: WeightSet): void {
  flat.forEach((_, i) => (flat[i] = 0.3 * Math.sin(i)));
}
