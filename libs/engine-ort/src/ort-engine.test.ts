import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Engine, GenerateRequest, SampledCompletion, TrainExample, TrainPlan } from '@backsight/engine';
import { loadOrtEngine } from './load-engine.js';
import { testConfig, writeTestModel } from './test-model.js';

let folder: string;
const engines: Engine[] = [];
const never = new AbortController().signal;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'engine-ort-'));
  await writeTestModel(join(folder, 'model'));
});
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});
afterAll(() => rm(folder, { recursive: true }));

async function load(options: { threads?: number; generationSlots?: number; microBatchTokens?: number } = {}) {
  const engine = await loadOrtEngine({
    modelFolder: join(folder, 'model'),
    checkpointFolder: join(folder, 'checkpoints'),
    threads: 1,
    generationSlots: 4,
    microBatchTokens: 256,
    ...options,
  });
  engines.push(engine);
  return engine;
}

const request: GenerateRequest = {
  prompts: [[1, 5, 6], [1, 7, 8, 9, 10, 11, 3], [1]],
  groupSize: 4,
  sampling: { temperature: 1, topP: 1, maxTokens: 12, seed: 7, stopIds: [] },
};

async function generate(engine: Engine, asked = request): Promise<readonly SampledCompletion[]> {
  const found: SampledCompletion[] = [];
  for await (const completion of engine.generate(asked, never)) found.push(completion);
  return found.sort((a, b) => a.promptIndex - b.promptIndex || a.sampleIndex - b.sampleIndex);
}

const optimizer = {
  learningRate: 1e-2,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradientNorm: 1,
};

const plan: TrainPlan = {
  expectedVersion: 0,
  objective: {
    distillation: {
      weight: 1,
      alpha: 0.5,
      support: { kind: 'full' },
      granularity: 'logit',
      importanceCap: 2,
    },
    aggregation: 'token-mean',
    temperature: 1,
  },
  teacher: { kind: 'ema', rate: 0.05, cadence: 'batch' },
  optimizer,
  miniBatches: 2,
  shuffleSeed: 3,
};

async function examplesOf(engine: Engine): Promise<readonly TrainExample[]> {
  const completions = await generate(engine);
  return completions.map(({ promptIndex, sampleIndex, tokenIds, logprobs }) => ({
    studentPromptIds: request.prompts[promptIndex]!,
    teacherPromptIds: sampleIndex === 3 ? [] : [1, 20, 21, 22, 23, ...request.prompts[promptIndex]!],
    completionIds: tokenIds,
    completionLogprobs: logprobs,
    advantage: sampleIndex - 1.5,
    distillationWeight: 1,
    policyGradientWeight: 1,
    likelihoodWeight: 1,
    rolloutId: `${promptIndex}/${sampleIndex}`,
  }));
}

describe('loadOrtEngine', () => {
  it('samples with the cache what teacher forcing scores', async () => {
    const engine = await load();
    const completions = await generate(engine);
    const scores = await engine.score(
      {
        items: completions.map(({ promptIndex, tokenIds }) => ({
          promptIds: request.prompts[promptIndex]!,
          completionIds: tokenIds,
        })),
        weights: 'student',
        temperature: 1,
        topK: 0,
      },
      never,
    );
    const difference = Math.max(
      ...completions.flatMap(({ logprobs }, i) =>
        logprobs.map((logprob, t) => Math.abs(logprob - scores[i]!.logprobs[t]!)),
      ),
    );
    console.log(`max |sampled - scored logprob| = ${difference.toExponential(1)}`);
    expect(completions).toHaveLength(12);
    expect(difference).toBeLessThan(1e-4);
  });

  it('samples the same completions however many slots share the work', async () => {
    const few = await generate(await load({ generationSlots: 2 }));
    const many = await generate(await load({ generationSlots: 16, threads: 2 }));
    expect(few.map(({ tokenIds }) => tokenIds)).toEqual(many.map(({ tokenIds }) => tokenIds));
  });

  it('takes steps', async () => {
    const engine = await load();
    const examples = await examplesOf(engine);
    const report = await engine.trainStep(plan, examples, never);
    console.log(JSON.stringify(report, null, 1));
    expect(report.version).toBe(2);
    expect(engine.version).toBe(2);
    expect(testConfig.layers).toBe(2);
  });
});
