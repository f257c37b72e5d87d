/** An engine without a model, for tests: it answers by a script and keeps what it was asked. */
import {
  VersionMismatchError,
  WeightSet,
  type CheckpointInfo,
  type Engine,
  type ModelCard,
  type TrainExample,
  type TrainPlan,
} from '@backsight/engine';

/** What the engine was asked to do, and how it is to answer. */
export interface Script {
  version: number;
  /** Runs after each completion and before a transaction is taken; may reject when the signal aborts. */
  pause: (signal: AbortSignal) => Promise<void>;
  /** What scoring, training and checkpoints fail with, if anything. */
  failure: Error | undefined;
  readonly trained: { readonly plan: TrainPlan; readonly examples: readonly TrainExample[] }[];
  /** Weights that were taken over. */
  readonly replaced: WeightSet[];
  /** Calls that wait to be given up, and those that were. */
  waiting: number;
  aborted: number;
  closed: boolean;
}

export const scriptedCard: ModelCard = {
  model: 'scripted',
  architecture: 'llama',
  parameterCount: 10,
  vocabularySize: 100,
  contextWindow: 16,
  stopIds: [2],
};

export const scriptedCheckpoint: CheckpointInfo = {
  name: 'saved',
  version: 7,
  sizeBytes: 12,
  createdAtMs: 1_700_000_000_000,
};

/** Weights that hold their version, in two tensors. */
function scriptedWeights(version: number): WeightSet {
  const table = new Map([
    ['b', [2, 3]],
    ['a', [4]],
  ]);
  return new WeightSet(table, new Float32Array(10).fill(version));
}

/** A script at version 5 in which everything succeeds at once. */
export function newScript(): Script {
  const pause = () => Promise.resolve();
  return {
    version: 5,
    pause,
    failure: undefined,
    trained: [],
    replaced: [],
    waiting: 0,
    aborted: 0,
    closed: false,
  };
}

/** An engine that follows whatever script `current` returns at the time. Sample s of a prompt is the prompt, then s. */
export function scriptedEngine(current: () => Script): Engine {
  const answer = <T>(value: T): Promise<T> => {
    const { failure } = current();
    return failure === undefined ? Promise.resolve(value) : Promise.reject(failure);
  };
  return {
    card: scriptedCard,
    info: {
      name: 'scripted',
      version: '1',
      device: 'none',
      threads: 1,
      generationSlots: 4,
      microBatchTokens: 64,
      training: { objectives: ['distillation', 'likelihood'], teachers: ['ema', 'frozen'], maxSupport: 40 },
    },
    get version() {
      return current().version;
    },
    async *generate({ prompts, groupSize }, signal) {
      const script = current();
      for (const [promptIndex, prompt] of prompts.entries()) {
        for (let sampleIndex = 0; sampleIndex < groupSize; sampleIndex++) {
          const tokenIds = [...prompt, sampleIndex];
          yield {
            promptIndex,
            sampleIndex,
            tokenIds,
            logprobs: tokenIds.map(() => -0.5),
            finishReason: sampleIndex % 2 === 0 ? 'stop' : 'length',
            policyVersion: script.version,
          };
          await script.pause(signal);
        }
      }
    },
    score: ({ items, weights, temperature, topK }) =>
      answer(
        items.map(({ completionIds }) => ({
          logprobs: completionIds.map(() => (weights === 'teacher' ? -2 : -1) / temperature),
          entropies: completionIds.map(() => 0.5),
          topIds: completionIds.flatMap(() => Array.from({ length: topK }, (_, id) => id)),
          topLogprobs: completionIds.flatMap(() => Array.from({ length: topK }, (_, id) => -1 - id)),
        })),
      ),
    async trainStep(plan, examples, signal) {
      const script = current();
      await script.pause(signal);
      await answer(undefined);
      if (plan.expectedVersion !== script.version)
        throw new VersionMismatchError(plan.expectedVersion, script.version);
      script.trained.push({ plan, examples });
      script.version += plan.miniBatches;
      const steps = Array.from({ length: plan.miniBatches }, () => ({ ...step, examples: examples.length }));
      return {
        version: script.version,
        steps,
        metrics: { 'actor/entropy': 0.25 },
        seconds: { teacher: 1.25 },
      };
    },
    saveCheckpoint: (name, score) =>
      answer({ ...scriptedCheckpoint, name, ...(score !== undefined && { score }) }),
    restoreCheckpoint: (name) => answer({ ...scriptedCheckpoint, name }),
    listCheckpoints: () => answer([scriptedCheckpoint]),
    exportCheckpoint: (name, layout = 'hugging-face') => answer(`/exports/${layout}/${name}`),
    readWeights: () => answer({ version: current().version, weights: scriptedWeights(current().version) }),
    replaceWeights: async ({ version, weights }) => {
      await answer(undefined);
      current().version = version;
      current().replaced.push(weights);
    },
    close: () => {
      current().closed = true;
      return Promise.resolve();
    },
  };
}

/** A pause that lasts until the caller gives up. */
export function untilAborted(script: Script): Script['pause'] {
  return (signal) =>
    new Promise((_, reject) => {
      script.waiting += 1;
      const giveUp = () => {
        script.aborted += 1;
        const error = new Error('given up');
        error.name = 'AbortError';
        reject(error);
      };
      if (signal.aborted) giveUp();
      else signal.addEventListener('abort', giveUp);
    });
}

const step = {
  loss: 1,
  distillationLoss: 1,
  policyGradientLoss: 0,
  likelihoodLoss: 0,
  gradientNorm: 2,
  skipped: false,
  lossTokens: 3,
};
