import { afterAll, describe, expect, it } from '@jest/globals';
import {
  llamaArchitecture,
  type ModelConfig,
  type TrainExample,
  type TrainPlan,
  type WeightSet,
} from '@backsight/engine';
import { objectiveLoss, type Objective } from '@backsight/sdpo';
import type { MemoryLimits } from '../transformer/memory-plan.js';
import { Model } from '../transformer/model.js';
import type { EmbeddingGradient } from '../transformer/training-graph.js';
import { referenceLogits } from '../transformer/reference-model.js';
import { testWeights } from '../test-model.js';
import { GradientSum } from './gradient.js';
import { Means } from './means.js';
import { MiniBatch } from './mini-batch.js';
import { PolicyWeights } from './policy-weights.js';
import { prepareExample } from './prepare.js';
import { teach } from './teacher.js';

const never = new AbortController().signal;
const models: Model[] = [];

afterAll(async () => {
  for (const model of models) await model.programs.release();
});

/** Two layers, two queries per key, about 3,700 weights. */
const config: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 12,
  intermediateSize: 20,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 16,
  vocabularySize: 19,
  rmsNormEpsilon: 1e-5,
  rope: { theta: 100 },
  architecture: llamaArchitecture,
  tiedEmbeddings: true,
  contextWindow: 32,
  stopIds: [2],
};

const likelihood: Objective = { likelihood: { weight: 1 }, aggregation: 'token-mean', temperature: 1 };

const everything: Objective = {
  distillation: {
    weight: 0.8,
    alpha: 0.5,
    support: { kind: 'top-k-tail', k: 4 },
    granularity: 'logit',
  },
  likelihood: { weight: 0.2 },
  aggregation: 'sequence-mean-token-mean',
  temperature: 0.9,
};

/**
 * Float64 finite differences of the reference model's loss against the graph's float32 gradient: largest difference relative
 * to the largest gradient.
 */
const tolerance = 1e-4;

describe('MiniBatch', () => {
  it.each([
    ['likelihood, tied embeddings', likelihood, config],
    ['likelihood, untied embeddings', likelihood, { ...config, tiedEmbeddings: false }],
    ['a blend with distillation', everything, config],
    ['an embedding whose rows the host adds up', likelihood, config, 'rows'],
    [
      'an untied embedding whose rows the host adds up',
      likelihood,
      { ...config, tiedEmbeddings: false },
      'rows',
    ],
  ] as const)(
    'computes the gradient of %s',
    async (_, objective, model, embeddingGradient: EmbeddingGradient = 'one-hot') => {
      const { gradient, losses, weights, teacher } = await run(objective, model, { embeddingGradient });
      const lossOf = () => referenceLoss(objective, model, weights, teacher);
      expect(losses.loss).toBeCloseTo(lossOf(), 5);
      expect(differenceFrom(lossOf, weights, gradient)).toBeLessThan(tolerance);
    },
  );

  it('computes the same gradient in one run and in many', async () => {
    const whole = await run(everything, config, { budget: 1024 });
    const parts = await run(everything, config, { budget: 16 });
    const largest = whole.gradient.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
    const worst = whole.gradient.reduce((max, g, i) => Math.max(max, Math.abs(g - parts.gradient[i]!)), 0);
    expect(worst / largest).toBeLessThan(1e-5);
  });

  it.each([
    ['in part', 200_000],
    ['as a whole', 0],
  ])(
    'computes the same gradient where layers are computed again %s and the head works in shares',
    async (_, activationBytes) => {
      const memory = { activationBytes, logits: 1 };
      for (const objective of [likelihood, everything]) {
        const plain = await run(objective, config);
        const sparing = await run(objective, config, { memory });
        expect(sparing.losses.loss).toBeCloseTo(plain.losses.loss, 6);
        const largest = plain.gradient.reduce((max, g) => Math.max(max, Math.abs(g)), 0);
        const worst = plain.gradient.reduce(
          (max, g, i) => Math.max(max, Math.abs(g - sparing.gradient[i]!)),
          0,
        );
        expect(worst / largest).toBeLessThan(1e-5);
      }
    },
  );

  it('counts what does not contribute and computes nothing for it', async () => {
    const idle = examples.map((example) => ({ ...example, likelihoodWeight: 0 }));
    const { gradient, losses } = await run(likelihood, config, { given: idle });
    expect(gradient.every((g) => g === 0)).toBe(true);
    expect(losses).toMatchObject({ loss: 0, examples: 4, lossTokens: 10 });
  });
});

const examples: readonly TrainExample[] = [
  example([1, 5, 6], [1, 9, 9, 9, 5, 6], [7, 7, 18, 2], 1),
  example([4], [3, 4], [9], 0.5),
  // The first prompt again: both completions are branches of one trunk.
  example([1, 5, 6], [1, 5, 5, 6], [8, 2], 1),
  example([1, 8, 9, 10, 11, 12, 13], [], [3, 17, 3], 1),
];

function example(student: number[], teacher: number[], completion: number[], weight: number): TrainExample {
  return {
    studentPromptIds: student,
    teacherPromptIds: teacher,
    completionIds: completion,
    completionLogprobs: [],
    advantage: 0,
    distillationWeight: weight,
    policyGradientWeight: 1,
    likelihoodWeight: 1,
    rolloutId: '',
  };
}

async function run(
  objective: Objective,
  shape: ModelConfig,
  options: {
    given?: readonly TrainExample[];
    budget?: number;
    memory?: MemoryLimits;
    embeddingGradient?: EmbeddingGradient;
  } = {},
) {
  const { given = examples, budget = 64, memory, embeddingGradient } = options;
  const weights = testWeights(shape, 5);
  const teacher = testWeights(shape, 6);
  const model = new Model(shape, budget, 1, embeddingGradient, memory);
  models.push(model);
  const policy = new PolicyWeights(teacher);
  policy.student.copyFrom(weights);
  const gradient = new GradientSum(model, weights.flat.length);
  const plan: TrainPlan = {
    expectedVersion: 0,
    objective,
    teacher: { kind: 'frozen', rate: 0, cadence: 'hold' },
    optimizer: { learningRate: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    miniBatches: 1,
    shuffleSeed: 0,
  };
  const taught = given.filter(({ teacherPromptIds }) => teacherPromptIds.length > 0);
  const teaching =
    objective.distillation && (await teach(model, policy, plan.teacher, policy.student.flat, taught, never));
  const prepared = given.map((one) => prepareExample(objective, one, undefined));
  const miniBatch = new MiniBatch({ model, policy, gradient }, plan, prepared, teaching);
  const losses = await miniBatch.computeGradient(new Means(), false, never);
  return { gradient: gradient.total, losses, weights, teacher };
}

/** The objective over the float64 reference model. */
function referenceLoss(
  objective: Objective,
  shape: ModelConfig,
  weights: WeightSet,
  teacher: WeightSet,
): number {
  return objectiveLoss(
    objective,
    examples.map(({ studentPromptIds, teacherPromptIds, completionIds, ...rest }) => {
      const student = referenceLogits(shape, weights, { promptIds: studentPromptIds, completionIds });
      const taught =
        teacherPromptIds.length > 0
          ? referenceLogits(shape, teacher, { promptIds: teacherPromptIds, completionIds })
          : undefined;
      return {
        ...rest,
        tokens: completionIds.map((id, t) => ({
          id,
          studentLogits: student[t]!,
          ...(taught && { teacherLogits: taught[t]! }),
          oldLogprob: 0,
          sampledLogprob: 0,
        })),
      };
    }),
  ).loss;
}

/** Checks three weights of every tensor, among them embedding rows of ids that are looked up more than once. */
function differenceFrom(lossOf: () => number, weights: WeightSet, gradient: Float32Array): number {
  let worst = 0;
  let largest = 0;
  let offset = 0;
  const repeated = [7, 9].map((id) => id * config.hiddenSize + 3);
  for (const { name, values } of weights.tensors.values()) {
    const spread = Array.from({ length: 3 }, (_, n) => Math.floor((n * (values.length - 1)) / 2));
    for (const i of name === 'model.embed_tokens.weight' ? [...spread, ...repeated] : spread) {
      const original = values[i]!;
      const at = (value: number) => {
        values[i] = value;
        return { loss: lossOf(), weight: values[i] };
      };
      const [above, below] = [at(original + 2 ** -10), at(original - 2 ** -10)];
      values[i] = original;
      const numeric = (above.loss - below.loss) / (above.weight - below.weight);
      worst = Math.max(worst, Math.abs(numeric - gradient[offset + i]!));
      largest = Math.max(largest, Math.abs(numeric));
    }
    offset += values.length;
  }
  return worst / largest;
}
