import { adapterTable, type AdapterSettings, type ModelConfig } from '@backsight/engine';
import { differentiate } from '../graph/differentiate.js';
import { Graph, type SegmentMemory } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { forward } from './forward.js';
import { head, type HeadOptions } from './head.js';
import { declareWeights, embeddingName, modelParameters, type Parameter } from './parameters.js';

/**
 * How the gradient of the looked-up embedding is added up per id: in the graph by a one-hot product, which costs a matrix
 * [B*T, V], or on the host from the gradient of the rows. A scatter with repeated ids is a data race in ONNX Runtime.
 */
export type EmbeddingGradient = 'one-hot' | 'rows';

/** The way for a vocabulary: what a one-hot matrix costs is little while V is. */
export function embeddingGradientOf({ vocabularySize }: ModelConfig): EmbeddingGradient {
  return vocabularySize <= 4096 ? 'one-hot' : 'rows';
}

/** What is fixed when a training graph is built. */
export interface TrainingGraphOptions extends HeadOptions {
  readonly embeddingGradient: EmbeddingGradient;
  readonly layers: SegmentMemory;
  /** Whose factors are trained; absent: all weights are. */
  readonly adapter?: AdapterSettings;
}

/** Name of the output with the gradient of one parameter, in the parameter's shape. */
export function gradientOutput(parameter: string): string {
  return `gradient of ${parameter}`;
}

/** Name of the input with what that gradient is added to, over the same memory. */
export function gradientSum(parameter: string): string {
  return `sum of gradients of ${parameter}`;
}

/** Name of the output with the gradient of the looked-up rows, where the host adds them up. Shape [B*T, D]. */
export const embeddedGradient = 'gradient of embedded rows';

/**
 * Forward and backward in one graph: reads weights, sequences and per-token figures, writes per-token losses and the
 * gradient of every parameter that is trained, added to that of earlier runs.
 */
export function trainingGraph(config: ModelConfig, options: TrainingGraphOptions): Graph {
  const graph = new Graph();
  const { adapter } = options;
  const weights = declareWeights(graph, config, adapter);
  const { embedded, hidden } = forward(graph, config, weights, { memory: options.layers });
  const seeds = graph.scope('head', () =>
    head(graph, config, { ...options, frozenOutput: adapter !== undefined }, hidden, weights.output),
  );
  const targets = new Map<string, Value>();
  const sums = new Map<Value, Value>();
  for (const name of trainedNames(config, options)) {
    const value = graph.inputs.find((input) => input.name === name);
    if (value === undefined) continue;
    targets.set(gradientOutput(name), value);
    sums.set(value, graph.input(gradientSum(name), value.dtype, value.shape));
  }
  if (adapter === undefined && options.embeddingGradient === 'rows') targets.set(embeddedGradient, embedded);
  const gradients = differentiate(graph, seeds, [...targets.values()], sums);
  [...targets.keys()].forEach((name, i) => {
    const value = gradients[i];
    if (value !== undefined) graph.output(name, value);
  });
  return graph;
}

/** What the graph differentiates by, as its inputs are named. */
function trainedNames(config: ModelConfig, options: TrainingGraphOptions): readonly string[] {
  const { adapter, embeddingGradient } = options;
  if (adapter !== undefined) return [...adapterTable(config, adapter).keys()];
  return differentiatedParameters(config, embeddingGradient).map(({ name }) => name);
}

/** The parameters whose gradient the graph writes where all weights are trained: all, but an untied embedding that is left to the host. */
export function differentiatedParameters(
  config: ModelConfig,
  embeddingGradient: EmbeddingGradient,
): readonly Parameter[] {
  const onHost = embeddingGradient === 'rows' && !config.tiedEmbeddings;
  return modelParameters(config).filter(({ name }) => !(onHost && name === embeddingName));
}
