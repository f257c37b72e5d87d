import type { ModelConfig } from '@backsight/engine';
import type { SegmentMemory } from '../graph/graph.js';

/** The lengths of a run that decide its memory. */
export interface RunShape {
  /** Padded length of its sequences. */
  readonly length: number;
  /** Sequences times length. */
  readonly tokens: number;
  /** Positions whose logits are wanted. */
  readonly rows: number;
}

/** How a run keeps within its memory. */
export interface MemoryPlan {
  readonly layers: SegmentMemory;
  /** Shares of the rows that the head works on one after the other; a power of two. */
  readonly shares: number;
}

/** From where on memory is saved at the price of time. */
export interface MemoryLimits {
  /** What the layers may hold between forward and backward, in bytes. */
  readonly activationBytes: number;
  /** Elements of one matrix of logits, of which the head holds several. */
  readonly logits: number;
}

export const memoryLimits: MemoryLimits = { activationBytes: 2 ** 30, logits: 2 ** 24 };

/** Plans a run: layers are computed again, in part or whole, and the head works in shares, only where what they hold is large. */
export function planMemory(config: ModelConfig, shape: RunShape, limits: MemoryLimits): MemoryPlan {
  const fits = (bytes: number) => bytes * shape.tokens <= limits.activationBytes;
  return {
    layers: fits(keptBytes(config, shape)) ? 'kept' : fits(retainedBytes(config)) ? 'partly' : 'recomputed',
    shares: headShares(config, shape.rows, limits.logits),
  };
}

/**
 * Plans runs that come one after the other: alike as far as they can be, so that one session serves them.
 *
 * A session keeps the memory of its largest run, and a training graph takes long to load.
 */
export function planTogether(
  config: ModelConfig,
  shapes: readonly RunShape[],
  limits: MemoryLimits,
): readonly MemoryPlan[] {
  const plans = shapes.map((shape) => planMemory(config, shape, limits));
  const layers = sparing.find((memory) => plans.some((plan) => plan.layers === memory)) ?? 'kept';
  const most = Math.max(1, ...plans.map(({ shares }) => shares));
  return plans.map(({ shares }, i) => ({
    layers,
    shares: (shapes[i]?.rows ?? 0) < most ** 2 ? shares : most,
  }));
}

/** From the least memory to the most. */
const sparing: readonly SegmentMemory[] = ['recomputed', 'partly', 'kept'];

/**
 * Padded tokens up to which sequences train together: no more than leave products with weights in memory, or all of the
 * budget where so few would not pay for what each run costs, which is to add up gradients the size of the weights.
 */
export function trainedTogether(config: ModelConfig, budget: number, limits: MemoryLimits): number {
  const retained = Math.floor(limits.activationBytes / retainedBytes(config));
  return retained < fewestTokens ? budget : Math.min(budget, retained);
}

/** To compute layers again costs about as much as another run from here on. */
const fewestTokens = 1024;

/** What layers retain of one token between forward and backward where they are kept partly, in bytes. */
function retainedBytes({
  hiddenSize,
  intermediateSize,
  heads,
  keyValueHeads,
  headDim,
  layers,
}: ModelConfig): number {
  const perLayer = 2 * hiddenSize + 2 * (heads + keyValueHeads) * headDim + 2 * intermediateSize;
  return 4 * layers * perLayer;
}

/** About what all layers hold of one token between forward and backward where they are kept, in bytes. */
function keptBytes(config: ModelConfig, { length }: RunShape): number {
  const { hiddenSize, intermediateSize, heads, keyValueHeads, headDim, layers } = config;
  const perToken =
    6 * hiddenSize + 4 * (heads + 2 * keyValueHeads) * headDim + 6 * intermediateSize + 3 * heads * length;
  return 4 * layers * perToken;
}

/** The fewest shares whose matrix of logits stays small; none has fewer rows than there are shares. */
function headShares({ vocabularySize }: ModelConfig, rows: number, largest: number): number {
  let shares = 1;
  while ((rows / shares) * vocabularySize > largest && rows >= (2 * shares) ** 2) shares *= 2;
  return shares;
}
