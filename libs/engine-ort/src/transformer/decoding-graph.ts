import { layerSight, type ModelConfig } from '@backsight/engine';
import { Graph } from '../graph/graph.js';
import { embed } from '../graph/ops/embed.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import type { Value } from '../graph/value.js';
import { decodingAttention } from './decoding-attention.js';
import { layer } from './layer.js';
import { nextToken, type NextTokenPart } from './next-token.js';
import { declareWeights } from './parameters.js';
import { byColumns, byRows } from './products.js';
import { declareRotaryTables } from './rotary-tables.js';

/** Names of what a decoding graph reads beside weights and caches. */
export const decoding = {
  /** The last token of every row. Shape [N], int64. */
  ids: 'ids',
  /** Where it stands in its sequence. Shape [N, 1], int64. */
  positions: 'positions',
  /** By prompt, head of keys and values, and seat: the row on the seat, and the head. Shape [B, KV, G, 2], int64. */
  rowsOfSeats: 'rows_of_seats',
  /** By row and head of keys and values: the row's prompt, the head, and its seat. Shape [N, KV, 3], int64. */
  seatsOfRows: 'seats_of_rows',
} as const;

/** Name of what is added to the attention scores of layers with a window, or of those without. Shape [B, 1, G, 1, P+C+1]. */
export function decodingMask(window: number | undefined): string {
  return window === undefined ? 'mask' : `mask of ${window}`;
}

/** The different windows of the model's layers. */
export function attentionWindows(config: ModelConfig): readonly (number | undefined)[] {
  return [...new Set(Array.from({ length: config.layers }, (_, index) => layerSight(config, index).window))];
}

/** Names of one layer's caches, shapes [B, KV, P, d] and [N, KV, C, d], and of the new tokens' part, shape [N, KV, 1, d]. */
export function decodingCacheNames(layer: number) {
  return {
    promptKeys: `prompt_keys.${layer}`,
    promptValues: `prompt_values.${layer}`,
    ownKeys: `own_keys.${layer}`,
    ownValues: `own_values.${layer}`,
    keys: `keys.${layer}`,
    values: `values.${layer}`,
  };
}

/** What is fixed when a decoding graph is built. */
export interface DecodingGraphOptions {
  /** Rows of a run: one is a vector, which is multiplied without packing anything. */
  readonly rows: 'one' | 'many';
  /** What is told of the next token. A distribution of a large vocabulary is dear to copy. */
  readonly next: NextTokenPart;
}

/**
 * Reads one token more of each of N sequences, and tells the distribution of the next, or a part of it.
 *
 * It hands over the keys and values of the new tokens alone: onnxruntime-node copies every output, so that a cache grown in
 * place would be copied whole at every step.
 */
export function decodingGraph(config: ModelConfig, options: DecodingGraphOptions): Graph {
  const graph = new Graph();
  const weights = declareWeights(graph, config);
  const tables = declareRotaryTables(graph, config);
  const ids = graph.input(decoding.ids, 'int64', ['N']);
  const positions = graph.input(decoding.positions, 'int64', ['N', 1]);
  const seats = {
    rows: graph.input(decoding.rowsOfSeats, 'int64', ['B', config.keyValueHeads, 'G', 2]),
    seats: graph.input(decoding.seatsOfRows, 'int64', ['N', config.keyValueHeads, 3]),
  };
  const masks = new Map(
    attentionWindows(config).map((window) => [
      window,
      graph.input(decodingMask(window), 'float32', ['B', 1, 'G', 1, 'P+C+1']),
    ]),
  );
  const products = options.rows === 'one' ? byRows : byColumns;

  const attend = (index: number) => (qkv: Value) => {
    const names = decodingCacheNames(index);
    const { window, rope } = layerSight(config, index);
    const mask = masks.get(window);
    if (mask === undefined) throw new Error(`No layer has a window of ${String(window)}.`);
    const cache = (name: string, rows: string, length: string) =>
      graph.input(name, 'float32', [rows, config.keyValueHeads, length, config.headDim]);
    const { mixed, keys, values } = decodingAttention(
      graph,
      config,
      qkv,
      { angles: tables(rope), positions, seats, mask },
      {
        promptKeys: cache(names.promptKeys, 'B', 'P'),
        promptValues: cache(names.promptValues, 'B', 'P'),
        ownKeys: cache(names.ownKeys, 'N', 'C'),
        ownValues: cache(names.ownValues, 'N', 'C'),
      },
    );
    graph.output(names.keys, keys);
    graph.output(names.values, values);
    return mixed;
  };

  let stream = embed(graph, weights.embedding, ids);
  weights.layers.forEach((layerWeights, index) => {
    stream = graph.scope(`layers.${index}`, () =>
      layer(graph, config, layerWeights, stream, attend(index), (rows) => rows, products),
    );
  });
  const hidden = rmsNorm(graph, stream, weights.norm, config.rmsNormEpsilon);
  nextToken(graph, hidden, weights.output, products, options.next);
  return graph;
}
