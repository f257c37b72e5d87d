import { modelTensors, totalElements, type AdapterSettings, type ModelConfig } from '@backsight/engine';
import type { Tensor } from 'onnxruntime-node';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { floatTensor } from '../session.js';
import { declareAdapters, type LayerAdapters } from './adapters.js';

/** A matrix or vector that graphs read, over one stretch of the flat weights. */
export interface Parameter {
  readonly name: string;
  /** Matrices are [out, in]. */
  readonly shape: readonly number[];
  /** First element in the flat weights. */
  readonly offset: number;
}

/**
 * What graphs read of the flat weights, in storage order.
 *
 * Projections of the same input lie one after the other in the flat array, so queries, keys and values are one matrix: one
 * product instead of three. Gate and up, which are large, are two: to cut their product would copy it.
 */
export function modelParameters(config: ModelConfig): readonly Parameter[] {
  const { hiddenSize: d, vocabularySize: v } = config;
  const shapes: [string, readonly number[]][] = [[embeddingName, [v, d]]];
  for (let layer = 0; layer < config.layers; layer++)
    for (const [part, shape] of layerShapes(config)) shapes.push([layerName(layer, part), shape]);
  shapes.push(['norm', [d]]);
  if (!config.tiedEmbeddings) shapes.push([outputName, [v, d]]);
  let offset = 0;
  const parameters = shapes.map(([name, shape]) => {
    const parameter = { name, shape, offset };
    offset += elements(parameter);
    return parameter;
  });
  const total = totalElements(modelTensors(config));
  if (offset !== total) throw new Error(`Parameters cover ${offset} of ${total} weights.`);
  return parameters;
}

/** What one layer reads, in storage order. */
function layerShapes(config: ModelConfig): ReadonlyMap<LayerPart, readonly number[]> {
  const { hiddenSize: d, intermediateSize: f, headDim, architecture } = config;
  const { norms, queryKeyNorm, biases } = architecture;
  const queries = config.heads * headDim;
  const keys = config.keyValueHeads * headDim;
  const shapes = new Map<LayerPart, readonly number[]>();
  if (norms === 'before') shapes.set('attention_norm', [d]);
  shapes.set('qkv', [queries + 2 * keys, d]);
  if (biases.queryKeyValue) shapes.set('qkv_bias', [queries + 2 * keys]);
  if (queryKeyNorm !== 'none') {
    const ofHead = queryKeyNorm === 'head';
    shapes.set('query_norm', [ofHead ? headDim : queries]);
    shapes.set('key_norm', [ofHead ? headDim : keys]);
  }
  shapes.set('attention_output', [d, queries]);
  if (biases.attentionOutput) shapes.set('attention_output_bias', [d]);
  shapes.set(norms === 'before' ? 'feed_forward_norm' : 'attention_norm', [d]);
  for (const name of ['gate', 'up'] as const) shapes.set(name, [f, d]);
  if (biases.feedForward) for (const name of ['gate_bias', 'up_bias'] as const) shapes.set(name, [f]);
  shapes.set('down', [d, f]);
  if (biases.feedForward) shapes.set('down_bias', [d]);
  if (norms === 'after') shapes.set('feed_forward_norm', [d]);
  return shapes;
}

type LayerPart =
  | 'attention_norm'
  | 'qkv'
  | 'qkv_bias'
  | 'query_norm'
  | 'key_norm'
  | 'attention_output'
  | 'attention_output_bias'
  | 'feed_forward_norm'
  | 'gate'
  | 'up'
  | 'gate_bias'
  | 'up_bias'
  | 'down'
  | 'down_bias';

/** The values that the layers of a graph read. */
export interface WeightValues {
  /** Shape [V, D]. */
  readonly embedding: Value;
  readonly layers: readonly LayerWeights[];
  readonly norm: Value;
  /** The embedding itself where they are tied. Shape [V, D]. */
  readonly output: Value;
}

/** The values that one layer reads; those that its architecture lacks are undefined. */
export interface LayerWeights {
  readonly attentionNorm: Value;
  /** Shape [(H + 2 KV) d, D]. */
  readonly qkv: Value;
  readonly qkvBias: Value | undefined;
  /** Shape [d] or [H d]. */
  readonly queryNorm: Value | undefined;
  /** Shape [d] or [KV d]. */
  readonly keyNorm: Value | undefined;
  readonly attentionOutput: Value;
  readonly attentionOutputBias: Value | undefined;
  readonly feedForwardNorm: Value;
  readonly gate: Value;
  readonly up: Value;
  readonly gateBias: Value | undefined;
  readonly upBias: Value | undefined;
  readonly down: Value;
  readonly downBias: Value | undefined;
  readonly adapters: LayerAdapters;
}

/** Declares all parameters as inputs of a graph, and the factors of an adapter where there is one. */
export function declareWeights(graph: Graph, config: ModelConfig, adapter?: AdapterSettings): WeightValues {
  const values = new Map(
    modelParameters(config).map(({ name, shape }) => [name, graph.input(name, 'float32', shape)]),
  );
  const adapters = adapter && declareAdapters(graph, config, adapter);
  const value = (name: string): Value => {
    const found = values.get(name);
    if (found === undefined) throw new Error(`There is no parameter ${name}.`);
    return found;
  };
  return {
    embedding: value(embeddingName),
    layers: Array.from({ length: config.layers }, (_, layer) => {
      const part = (name: LayerPart) => value(layerName(layer, name));
      const optional = (name: LayerPart) => values.get(layerName(layer, name));
      return {
        attentionNorm: part('attention_norm'),
        qkv: part('qkv'),
        qkvBias: optional('qkv_bias'),
        queryNorm: optional('query_norm'),
        keyNorm: optional('key_norm'),
        attentionOutput: part('attention_output'),
        attentionOutputBias: optional('attention_output_bias'),
        feedForwardNorm: part('feed_forward_norm'),
        gate: part('gate'),
        up: part('up'),
        gateBias: optional('gate_bias'),
        upBias: optional('up_bias'),
        down: part('down'),
        downBias: optional('down_bias'),
        adapters: adapters?.[layer] ?? {},
      };
    }),
    norm: value('norm'),
    output: value(outputParameter(config)),
  };
}

/** Tensors over the flat weights, by the names of the parameters; writing the array writes what graphs read. */
export function parameterFeeds(config: ModelConfig, flat: Float32Array): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    modelParameters(config).map((parameter) => [
      parameter.name,
      floatTensor(viewOf(parameter, flat), parameter.shape),
    ]),
  );
}

/** The stretch of the flat weights that is the parameter. */
export function viewOf(parameter: Parameter, flat: Float32Array): Float32Array {
  return flat.subarray(parameter.offset, parameter.offset + elements(parameter));
}

/** Name of the parameter that projects hidden states to logits. */
export function outputParameter(config: ModelConfig): string {
  return config.tiedEmbeddings ? embeddingName : outputName;
}

/** Name of the embedding, the first parameter. */
export const embeddingName = 'embedding';
const outputName = 'output';

function layerName(layer: number, part: LayerPart): string {
  return `layers.${layer}.${part}`;
}

function elements({ shape }: Pick<Parameter, 'shape'>): number {
  return shape.reduce((product, length) => product * length, 1);
}
