import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  Engine,
  GenerateRequest,
  ModelConfig,
  SampledCompletion,
  TrainExample,
  TrainPlan,
} from '@backsight/engine';
import { loadOrtEngine } from './load-engine.js';
import { testConfig, writeTestModel } from './test-model.js';
import type { OrtEngineOptions } from './engine-options.js';

/** A signal that is never aborted. */
export const never: AbortSignal = new AbortController().signal;

/** Engines over the test model in a folder of their own, for tests. */
export class TestEngines {
  private readonly engines: Engine[] = [];

  private constructor(readonly folder: string) {}

  static async create(config: ModelConfig = testConfig): Promise<TestEngines> {
    const folder = await mkdtemp(join(tmpdir(), 'engine-ort-'));
    await writeTestModel(join(folder, 'model'), config);
    return new TestEngines(folder);
  }

  async load(options: Partial<OrtEngineOptions> = {}): Promise<Engine> {
    const engine = await loadOrtEngine({
      modelFolder: join(this.folder, 'model'),
      checkpointFolder: join(this.folder, 'checkpoints'),
      threads: 1,
      generationSlots: 4,
      microBatchTokens: 256,
      ...options,
    });
    this.engines.push(engine);
    return engine;
  }

  async closeAll(): Promise<void> {
    for (const engine of this.engines.splice(0)) await engine.close();
  }

  async remove(): Promise<void> {
    await this.closeAll();
    await rm(this.folder, { recursive: true });
  }
}

/** Three prompts of different lengths, four completions each. */
export const request: GenerateRequest = {
  prompts: [[1, 5, 6], [1, 7, 8, 9, 10, 11, 3], [1]],
  groupSize: 4,
  sampling: { temperature: 1, topP: 1, maxTokens: 12, seed: 7, stopIds: [] },
};

/** All completions of a request, by prompt and sample. */
export async function collect(
  engine: Engine,
  asked: GenerateRequest = request,
  signal: AbortSignal = never,
): Promise<readonly SampledCompletion[]> {
  const found: SampledCompletion[] = [];
  for await (const completion of engine.generate(asked, signal)) found.push(completion);
  return found.sort((a, b) => a.promptIndex - b.promptIndex || a.sampleIndex - b.sampleIndex);
}

/** Examples of completions of `request`: advantages of both signs, and one of four that nothing teaches. */
export function examplesOf(completions: readonly SampledCompletion[]): readonly TrainExample[] {
  return completions.map(({ promptIndex, sampleIndex, tokenIds, logprobs }) => {
    const prompt = request.prompts[promptIndex] ?? [];
    return {
      studentPromptIds: prompt,
      teacherPromptIds: sampleIndex === 3 ? [] : [1, 20, 21, 22, 23, ...prompt],
      completionIds: tokenIds,
      completionLogprobs: logprobs,
      advantage: sampleIndex - 1.5,
      distillationWeight: 1,
      policyGradientWeight: 1,
      likelihoodWeight: 1,
      rolloutId: `${promptIndex}/${sampleIndex}`,
    };
  });
}

/** A plan of two distillation steps. */
export const plan: TrainPlan = {
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
  optimizer: {
    learningRate: 1e-2,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0,
    maxGradientNorm: 1,
  },
  miniBatches: 2,
  shuffleSeed: 3,
};

/** A fingerprint of the weights: the logprobs of a fixed completion under student or teacher. */
export async function fingerprint(
  engine: Engine,
  weights: 'student' | 'teacher' = 'student',
): Promise<readonly number[]> {
  const items = [{ promptIds: [1, 4, 8], completionIds: [15, 16, 23, 30, 7, 2] }];
  const [score] = await engine.score({ items, weights, temperature: 1, topK: 0 }, never);
  return score?.logprobs ?? [];
}
