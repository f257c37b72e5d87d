import { layerSight, type ModelConfig } from '@backsight/engine';
import { Graph } from '../graph/graph.js';
import { int } from '../graph/node.js';
import { embed } from '../graph/ops/embed.js';
import { reshape } from '../graph/ops/reshape.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import { selectRows } from '../graph/ops/select-rows.js';
import type { Value } from '../graph/value.js';
import { project } from './forward.js';
import { layer } from './layer.js';
import { declareWeights } from './parameters.js';
import { declareRotaryTables } from './rotary-tables.js';

/** Names of what a decoding graph reads beside weights and caches, and of what it writes. */
export const decoding = {
  /** New tokens of every sequence, padded on the right. Shape [B, S], int64. */
  ids: 'ids',
  /** Positions of B*S whose logits are wanted. Shape [N], int64. */
  rows: 'rows',
  /** Tokens of each sequence, the new ones included, less one. Shape [B], int32. */
  lastPositions: 'last_positions',
  /** Tokens of the longest sequence, the new ones included. Shape [1], int32. */
  longest: 'longest',
  /** Shape [N, V]. */
  logits: 'logits',
} as const;

/** Names of one layer's caches: what a run reads and, over the same memory, what it leaves. Shape [B, KV, capacity, d]. */
export function cacheNames(layer: number) {
  return {
    pastKeys: `past_keys.${layer}`,
    pastValues: `past_values.${layer}`,
    keys: `keys.${layer}`,
    values: `values.${layer}`,
  };
}

/**
 * Continues sequences whose keys and values are cached: the prompt in one run (S = P), then a token a run (S = 1).
 *
 * Past and present are given the same memory, so the caches grow in place.
 */
export function decodingGraph(config: ModelConfig): Graph {
  const graph = new Graph();
  const weights = declareWeights(graph, config);
  const tables = declareRotaryTables(graph, config);
  const ids = graph.input(decoding.ids, 'int64', ['B', 'S']);
  const rows = graph.input(decoding.rows, 'int64', ['N']);
  const lastPositions = graph.input(decoding.lastPositions, 'int32', ['B']);
  const longest = graph.input(decoding.longest, 'int32', [1]);
  const { heads, keyValueHeads, headDim } = config;
  const width = (heads + 2 * keyValueHeads) * headDim;
  const cacheShape = ['B', keyValueHeads, 'C', headDim];

  const cachedAttention = (index: number) => (qkv: Value) => {
    const names = cacheNames(index);
    const { window, rope } = layerSight(config, index);
    const { cosines, sines } = tables(rope);
    const past = [
      graph.input(names.pastKeys, 'float32', cacheShape),
      graph.input(names.pastValues, 'float32', cacheShape),
    ];
    const [mixed, keys, values] = graph.add({
      op: 'GroupQueryAttention',
      domain: 'com.microsoft',
      // Queries, keys and values come packed in the first input.
      inputs: [
        reshape(graph, qkv, ['B', 'S', width]),
        undefined,
        undefined,
        ...past,
        lastPositions,
        longest,
        cosines,
        sines,
      ],
      attributes: {
        num_heads: int(heads),
        kv_num_heads: int(keyValueHeads),
        do_rotary: int(1),
        rotary_interleaved: int(0),
        ...(window !== undefined && { local_window_size: int(window) }),
      },
      outputs: [
        { dtype: 'float32', shape: ['B', 'S', heads * headDim] },
        { dtype: 'float32', shape: cacheShape },
        { dtype: 'float32', shape: cacheShape },
      ],
    });
    if (mixed === undefined || keys === undefined || values === undefined)
      throw new Error('GroupQueryAttention has three outputs.');
    graph.output(names.keys, keys);
    graph.output(names.values, values);
    return reshape(graph, mixed, ['B*S', heads * headDim]);
  };

  let stream = embed(graph, weights.embedding, reshape(graph, ids, ['B*S']));
  weights.layers.forEach((layerWeights, index) => {
    stream = graph.scope(`layers.${index}`, () =>
      layer(
        graph,
        config,
        layerWeights,
        stream,
        cachedAttention(index),
        index === config.layers - 1 ? (value) => selectRows(graph, value, rows) : undefined,
      ),
    );
  });
  const hidden = rmsNorm(graph, stream, weights.norm, config.rmsNormEpsilon);
  graph.output(decoding.logits, project(graph, hidden, weights.output));
  return graph;
}
