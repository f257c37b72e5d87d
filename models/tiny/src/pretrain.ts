/** Pre-training: documents drawn from a seed, one optimizer step after the other, on any engine. */

import type { Engine, TrainExample } from '@backsight/engine';
import type { Renderer } from '@backsight/renderer';
import { drawDocument, type Document, type DocumentMix } from './documents.js';
import { createRandom } from './random.js';

/** Everything that decides the weights. */
export interface PretrainingRecipe {
  /** Draws the initial weights and the documents. */
  readonly seed: number;
  /** Standard deviation of the initial matrices. */
  readonly initialDeviation: number;
  readonly steps: number;
  readonly documentsPerStep: number;
  readonly mix: DocumentMix;
  /** Linear warm-up over `warmupSteps`, flat until `flatShare` of all steps, then a cosine down to `finalShare` of the rate. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly flatShare: number;
  readonly finalShare: number;
  readonly beta2: number;
  readonly maxGradientNorm: number;
}

/** The recipe of the committed weights. */
export const tinyRecipe: PretrainingRecipe = {
  seed: 1,
  // 1/sqrt(width). From the usual 0.02, the same skills took about four times as many documents.
  initialDeviation: 0.088,
  steps: 2500,
  documentsPerStep: 64,
  mix: {
    kinds: { plain: 0.16, feedback: 0.5, solution: 0.12, 'solution-and-feedback': 0.1, turns: 0.12 },
    verbs: [0.35, 0.4, 0.25],
  },
  learningRate: 2e-3,
  warmupSteps: 60,
  flatShare: 0.4,
  finalShare: 0.05,
  beta2: 0.95,
  maxGradientNorm: 1,
};

/** What has been done so far. */
export interface PretrainingProgress {
  /** Counted from 1. */
  readonly step: number;
  readonly documents: number;
  /** Prompt and answer, padding not counted. */
  readonly tokens: number;
  /** Nats per answer token in this step. */
  readonly loss: number;
}

/** Takes all steps of the recipe; calls `onStep` after each. Stops at the signal, between two steps. */
export async function pretrain(
  engine: Engine,
  renderer: Renderer,
  recipe: PretrainingRecipe,
  onStep: (progress: PretrainingProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  const random = createRandom(recipe.seed);
  let tokens = 0;
  for (let step = 1; step <= recipe.steps; step += 1) {
    const examples = Array.from({ length: recipe.documentsPerStep }, (_, index) =>
      exampleOf(drawDocument(random, recipe.mix), renderer, engine.card.stopIds, `document-${step}-${index}`),
    );
    const report = await engine.trainStep(
      {
        expectedVersion: engine.version,
        objective: { likelihood: { weight: 1 }, aggregation: 'token-mean', temperature: 1 },
        teacher: { kind: 'ema', rate: 0, cadence: 'hold' },
        optimizer: {
          learningRate: learningRateAt(recipe, step),
          beta1: 0.9,
          beta2: recipe.beta2,
          epsilon: 1e-8,
          weightDecay: 0,
          maxGradientNorm: recipe.maxGradientNorm,
        },
        miniBatches: 1,
        shuffleSeed: 0,
      },
      examples,
      signal,
    );
    tokens += examples.reduce(
      (sum, { studentPromptIds, completionIds }) => sum + studentPromptIds.length + completionIds.length,
      0,
    );
    onStep({ step, documents: step * recipe.documentsPerStep, tokens, loss: report.steps[0]?.loss ?? NaN });
  }
}

/** The learning rate of a step, counted from 1. */
export function learningRateAt(recipe: PretrainingRecipe, step: number): number {
  const { steps, warmupSteps, flatShare, finalShare, learningRate } = recipe;
  const flatUntil = flatShare * steps;
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  if (step <= flatUntil) return learningRate;
  const done = (step - flatUntil) / (steps - flatUntil);
  return learningRate * (finalShare + ((1 - finalShare) * (1 + Math.cos(Math.PI * done))) / 2);
}

/** The conversation is the prompt; only the answer is learnt. */
function exampleOf(
  document: Document,
  renderer: Renderer,
  stopIds: readonly number[],
  rolloutId: string,
): TrainExample {
  return {
    studentPromptIds: renderer.encodePrompt(document.messages),
    teacherPromptIds: [],
    completionIds: [...renderer.encodeText(document.answer), ...stopIds.slice(0, 1)],
    completionLogprobs: [],
    advantage: 0,
    distillationWeight: 0,
    policyGradientWeight: 0,
    likelihoodWeight: 1,
    rolloutId,
  };
}
