import type { AdapterSettings, CompletionScore, ModelConfig } from '@backsight/engine';
import type { ExecutionProvider } from '../execution-provider.js';
import { floatTensor, idTensor, type Feeds } from '../session.js';
import {
  memoryLimits,
  planMemory,
  planTogether,
  trainedTogether,
  type MemoryLimits,
  type MemoryPlan,
  type RunShape,
} from './memory-plan.js';
import { inverseTemperature } from './inverse-temperature.js';
import { outputParameter, parameterFeeds } from './parameters.js';
import { Programs } from './programs.js';
import { rotaryFeeds } from './rotary-tables.js';
import { scoring } from './scoring-graph.js';
import { embeddingGradientOf, type EmbeddingGradient } from './training-graph.js';
import type { Sequence } from './sequence.js';
import { packSequences } from './sequences.js';

/** A transformer without weights of its own: runs any weight set of its shape. */
export class Model {
  readonly programs: Programs;
  private readonly tables: Feeds;
  private readonly feedsByWeights = new WeakMap<Float32Array, Feeds>();

  constructor(
    readonly config: ModelConfig,
    /** Padded tokens in one run. */
    readonly microBatchTokens: number,
    threads: number,
    readonly embeddingGradient: EmbeddingGradient = embeddingGradientOf(config),
    private readonly memory: MemoryLimits = memoryLimits,
    provider: ExecutionProvider = 'cpu',
    /** Of the adapter that is trained; absent: all weights are. */
    readonly adapter?: AdapterSettings,
    profileFolder?: string,
  ) {
    this.programs = new Programs(config, threads, provider, profileFolder);
    this.tables = rotaryFeeds(config);
  }

  /** What every graph of the model reads of a weight set, over its memory. */
  feeds(weights: Float32Array): Feeds {
    const known = this.feedsByWeights.get(weights);
    if (known !== undefined) return known;
    const feeds = { ...parameterFeeds(this.config, weights), ...this.tables };
    this.feedsByWeights.set(weights, feeds);
    return feeds;
  }

  /** The output projection of a weight set, under another name. */
  outputFeed(name: string, weights: Float32Array): Feeds {
    const tensor = this.feeds(weights)[outputParameter(this.config)];
    if (tensor === undefined) throw new Error('There is no output projection.');
    return { [name]: tensor };
  }

  /** Padded tokens in one run forward: what more would gain in speed, caches lose, and memory grows with it. */
  private get forwardTokens(): number {
    return Math.min(this.microBatchTokens, largestForward);
  }

  /** How a run of this shape keeps within the model's memory. */
  planMemory(shape: RunShape): MemoryPlan {
    return planMemory(this.config, shape, this.memory);
  }

  /** How runs of these shapes, one after the other, keep within it. */
  planTogether(shapes: readonly RunShape[]): readonly MemoryPlan[] {
    return planTogether(this.config, shapes, this.memory);
  }

  /** Padded tokens up to which sequences train together; a group that has more of its own still trains as one. */
  get trainedTogether(): number {
    return trainedTogether(this.config, this.microBatchTokens, this.memory);
  }

  /** The final hidden states that predict each completion token, per sequence. Shape [T, D] each. */
  async hiddenStates(
    weights: Float32Array,
    sequences: readonly Sequence[],
    signal: AbortSignal,
  ): Promise<readonly Float32Array[]> {
    const width = this.config.hiddenSize;
    const states = sequences.map(({ completionIds }) => new Float32Array(completionIds.length * width));
    for (const batch of packSequences(sequences, this.forwardTokens)) {
      signal.throwIfAborted();
      const session = await this.programs.hidden(batch.trunk);
      const hidden = (await session.run({ ...this.feeds(weights), ...batch.feeds })).floats('hidden');
      batch.items.forEach((item, i) => {
        const state = states[item];
        const first = (batch.offsets[i] ?? 0) * width;
        state?.set(hidden.subarray(first, first + state.length));
      });
    }
    return states;
  }

  /** Scores completions under a weight set, in their order. */
  async score(
    weights: Float32Array,
    sequences: readonly Sequence[],
    settings: { readonly temperature: number; readonly topK: number },
    signal: AbortSignal,
  ): Promise<readonly CompletionScore[]> {
    const { temperature, topK } = settings;
    const scores = new Map<number, CompletionScore>();
    for (const batch of packSequences(sequences, this.forwardTokens)) {
      signal.throwIfAborted();
      const { shares } = this.planMemory(batch.shape);
      const session = await this.programs.scoring({ withTop: topK > 0, shares }, batch.trunk);
      const outputs = await session.run({
        ...this.feeds(weights),
        ...batch.feeds,
        [scoring.scoredIds]: idTensor(batch.completionIds, [batch.completionIds.length, 1]),
        [scoring.inverseTemperature]: floatTensor(Float32Array.of(inverseTemperature(temperature)), []),
        ...(topK > 0 && { [scoring.topCount]: idTensor([topK], [1]) }),
      });
      const [logprobs, entropies] = [outputs.floats(scoring.logprobs), outputs.floats(scoring.entropies)];
      const topIds = topK > 0 ? outputs.integers(scoring.topIds) : new BigInt64Array();
      const topLogprobs = topK > 0 ? outputs.floats(scoring.topLogprobs) : new Float32Array();
      batch.items.forEach((item, i) => {
        const first = batch.offsets[i] ?? 0;
        const end = batch.offsets[i + 1] ?? batch.completionIds.length;
        scores.set(item, {
          logprobs: [...logprobs.subarray(first, end)],
          entropies: [...entropies.subarray(first, end)],
          topIds: Array.from(topIds.subarray(first * topK, end * topK), Number),
          topLogprobs: [...topLogprobs.subarray(first * topK, end * topK)],
        });
      });
    }
    return sequences.map((_, item) => {
      const score = scores.get(item);
      if (score === undefined) throw new Error(`Sequence ${item} was not scored.`);
      return score;
    });
  }
}

const largestForward = 2048;
