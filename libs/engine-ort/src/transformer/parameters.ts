import { modelTensors, totalElements, type ModelConfig } from '@backsight/engine';
import type { Tensor } from 'onnxruntime-node';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { floatTensor } from '../session.js';

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
 * Projections of the same input lie one after the other in the flat array, so queries, keys and values are one matrix, as
 * are gate and up: one product instead of three or two, at no copy.
 */
export function modelParameters(config: ModelConfig): readonly Parameter[] {
  const { hiddenSize: d, intermediateSize: f, vocabularySize: v } = config;
  const queries = config.heads * config.headDim;
  const keys = config.keyValueHeads * config.headDim;
  const shapes: [string, readonly number[]][] = [[embeddingName, [v, d]]];
  for (let layer = 0; layer < config.layers; layer++)
    shapes.push(
      [layerName(layer, 'attention_norm'), [d]],
      [layerName(layer, 'qkv'), [queries + 2 * keys, d]],
      [layerName(layer, 'attention_output'), [d, queries]],
      [layerName(layer, 'feed_forward_norm'), [d]],
      [layerName(layer, 'gate_up'), [2 * f, d]],
      [layerName(layer, 'down'), [d, f]],
    );
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

/** The values that the layers of a graph read. */
export interface WeightValues {
  /** Shape [V, D]. */
  readonly embedding: Value;
  readonly layers: readonly LayerWeights[];
  readonly norm: Value;
  /** The embedding itself where they are tied. Shape [V, D]. */
  readonly output: Value;
}

/** The values that one layer reads. */
export interface LayerWeights {
  readonly attentionNorm: Value;
  readonly qkv: Value;
  readonly attentionOutput: Value;
  readonly feedForwardNorm: Value;
  readonly gateUp: Value;
  readonly down: Value;
}

/** Declares all parameters as inputs of a graph. */
export function declareWeights(graph: Graph, config: ModelConfig): WeightValues {
  const values = new Map(
    modelParameters(config).map(({ name, shape }) => [name, graph.input(name, 'float32', shape)]),
  );
  const value = (name: string): Value => {
    const found = values.get(name);
    if (found === undefined) throw new Error(`There is no parameter ${name}.`);
    return found;
  };
  return {
    embedding: value(embeddingName),
    layers: Array.from({ length: config.layers }, (_, layer) => ({
      attentionNorm: value(layerName(layer, 'attention_norm')),
      qkv: value(layerName(layer, 'qkv')),
      attentionOutput: value(layerName(layer, 'attention_output')),
      feedForwardNorm: value(layerName(layer, 'feed_forward_norm')),
      gateUp: value(layerName(layer, 'gate_up')),
      down: value(layerName(layer, 'down')),
    })),
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

function layerName(layer: number, part: string): string {
  return `layers.${layer}.${part}`;
}

function elements({ shape }: Pick<Parameter, 'shape'>): number {
  return shape.reduce((product, length) => product * length, 1);
}
