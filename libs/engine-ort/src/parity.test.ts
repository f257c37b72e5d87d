/** The engine against transformers and PyTorch on the same weights: see parity/make_fixtures.py. */

import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  loadModelFolder,
  loadPeftFolder,
  SafetensorsFile,
  type Engine,
  type TrainPlan,
  type WeightSet,
} from '@backsight/engine';
import { loadOrtEngine } from './load-engine.js';
import { collect, never } from './test-engine.js';

interface Sequence {
  readonly promptIds: readonly number[];
  readonly completionIds: readonly number[];
}

interface Expected {
  readonly items: readonly Sequence[];
  readonly greedy: readonly Sequence[];
  readonly step?: {
    readonly alpha: number;
    readonly support: number;
    readonly importanceCap: number;
    readonly loss: number;
    readonly examples: readonly {
      readonly studentPromptIds: readonly number[];
      readonly teacherPromptIds: readonly number[];
      readonly completionIds: readonly number[];
      readonly completionLogprobs: readonly number[];
    }[];
  };
}

interface Case {
  readonly title: string;
  readonly modelFolder: string;
  /** In PEFT layout. */
  readonly adapterFolder?: string;
  /** Where what is expected lies. */
  readonly folder: string;
  readonly expected: Expected;
}

const parity = join(import.meta.dirname, '../parity');
const caseIn = async (kind: string, name: string): Promise<Case> => {
  const folder = join(parity, kind, name);
  const expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as Expected;
  const modelFolder = join(parity, 'fixtures', name);
  if (kind === 'fixtures') return { title: name, modelFolder, folder, expected };
  return { title: `${name} with an adapter`, modelFolder, adapterFolder: folder, folder, expected };
};
const cases = (
  await Promise.all(
    ['fixtures', 'adapters'].map(async (kind) =>
      Promise.all((await readdir(join(parity, kind))).map((name) => caseIn(kind, name))),
    ),
  )
).flat();

describe.each(cases)('loadOrtEngine, $title', ({ modelFolder, adapterFolder, folder, expected }) => {
  let checkpointFolder = '';
  let engine: Engine;
  let arrays: SafetensorsFile;
  const array = async (key: string): Promise<Float32Array> => {
    const shape = arrays.header.tensors.get(key)?.shape ?? [];
    const values = new Float32Array(shape.reduce((product, length) => product * length, 1));
    await arrays.read(key, values);
    return values;
  };

  beforeAll(async () => {
    checkpointFolder = await mkdtemp(join(tmpdir(), 'parity-'));
    engine = await loadOrtEngine({
      modelFolder,
      checkpointFolder,
      threads: 1,
      generationSlots: 4,
      microBatchTokens: 256,
      ...(adapterFolder !== undefined && { adapter: { kind: 'folder', folder: adapterFolder } }),
    });
    arrays = await SafetensorsFile.open(join(folder, 'expected.safetensors'));
  });
  afterAll(async () => {
    await arrays.close();
    await engine.close();
    await rm(checkpointFolder, { recursive: true });
  });

  it('gives every token of the vocabulary the logprob that transformers gives', async () => {
    const topK = engine.card.vocabularySize;
    const scores = await engine.score(
      { items: expected.items, weights: 'student', temperature: 1, topK },
      never,
    );
    expect(scores).toHaveLength(20);
    let worst = 0;
    for (const [i, score] of scores.entries()) {
      const reference = await array(`logprobs.${i}`);
      expect(score.topIds).toHaveLength(reference.length);
      score.topIds.forEach((id, place) => {
        const position = Math.floor(place / topK);
        const difference = score.topLogprobs[place]! - reference[position * topK + id]!;
        worst = Math.max(worst, Math.abs(difference));
      });
    }
    expect(worst).toBeLessThan(5e-5);
  });

  it('continues prompts greedily as transformers does', async () => {
    for (const { promptIds, completionIds } of expected.greedy) {
      const sampling = { temperature: 0, topP: 1, maxTokens: 24, seed: 0, stopIds: [] };
      const [completion] = await collect(engine, { prompts: [promptIds], groupSize: 1, sampling });
      expect(completion!.tokenIds).toEqual(completionIds);
    }
  });

  it('samples with its cache from the distributions that scoring finds', async () => {
    const prompts = expected.greedy.map(({ promptIds }) => promptIds);
    const sampling = { temperature: 1, topP: 1, maxTokens: 40, seed: 5, stopIds: [] };
    const completions = await collect(engine, { prompts, groupSize: 2, sampling });
    const items = completions.map(({ promptIndex, tokenIds }) => ({
      promptIds: prompts[promptIndex]!,
      completionIds: tokenIds,
    }));
    const scores = await engine.score({ items, weights: 'student', temperature: 1, topK: 0 }, never);
    const differences = completions.flatMap(({ logprobs }, i) =>
      logprobs.map((logprob, t) => Math.abs(logprob - scores[i]!.logprobs[t]!)),
    );
    expect(differences.length).toBeGreaterThan(50);
    expect(Math.max(...differences)).toBeLessThan(5e-5);
  });

  const { step } = expected;
  if (step === undefined) return;
  it('takes the SDPO step that PyTorch differentiates', async () => {
    const report = await engine.trainStep(planOf(step), examplesOf(step), never);
    expect(report.steps[0]!.loss).toBeCloseTo(step.loss, 5);
    const [before, after] = await trainedWeights(engine, modelFolder, adapterFolder);
    for (const { name: parameter, values } of before.tensors.values()) {
      const reference = await array(`gradient.${parameter}`);
      const moved = after.tensor(parameter).values;
      const gradient = Float64Array.from(values, (value, i) => gradientOf(moved[i]! - value));
      const error = norm(gradient.map((value, i) => value - reference[i]!)) / norm(reference);
      expect([parameter, error < 5e-5]).toEqual([parameter, true]);
    }
  });
});

/** What the engine trains, as it was loaded and as it is now. */
async function trainedWeights(
  engine: Engine,
  modelFolder: string,
  adapterFolder: string | undefined,
): Promise<readonly [WeightSet, WeightSet]> {
  const { config, weights } = await loadModelFolder(modelFolder);
  if (adapterFolder === undefined)
    return [weights, (await loadModelFolder(await engine.exportCheckpoint('stepped'))).weights];
  const stepped = await engine.exportCheckpoint('stepped', 'peft');
  const [before, after] = [
    await loadPeftFolder(adapterFolder, config),
    await loadPeftFolder(stepped, config),
  ];
  return [before.factors, after.factors];
}

/** So large a rate, and so large an epsilon, that a weight's move tells its gradient. */
const optimizer = { learningRate: 1e4, beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0 };

/** Inverts AdamW's first step: the move is -rate g / (|g| + epsilon). */
function gradientOf(move: number): number {
  const ratio = -move / optimizer.learningRate;
  return (ratio * optimizer.epsilon) / (1 - Math.abs(ratio));
}

function planOf({ alpha, support, importanceCap }: NonNullable<Expected['step']>): TrainPlan {
  return {
    expectedVersion: 0,
    objective: {
      distillation: {
        weight: 1,
        alpha,
        support: { kind: 'top-k-tail', k: support },
        granularity: 'logit',
        importanceCap,
      },
      aggregation: 'token-mean',
      temperature: 1,
    },
    teacher: { kind: 'frozen', rate: 0, cadence: 'hold' },
    optimizer,
    miniBatches: 1,
    shuffleSeed: 1,
  };
}

function examplesOf({ examples }: NonNullable<Expected['step']>) {
  return examples.map((example, index) => ({
    ...example,
    advantage: 0,
    distillationWeight: 1,
    policyGradientWeight: 0,
    likelihoodWeight: 0,
    rolloutId: `example ${index}`,
  }));
}

function norm(values: Float32Array | Float64Array): number {
  return Math.hypot(...values);
}
