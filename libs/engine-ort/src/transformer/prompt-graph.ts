import { layerSight, type ModelConfig } from '@backsight/engine';
import { Graph } from '../graph/graph.js';
import { int } from '../graph/node.js';
import { embed } from '../graph/ops/embed.js';
import { reshape } from '../graph/ops/reshape.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import { selectRows } from '../graph/ops/select-rows.js';
import type { Value } from '../graph/value.js';
import { layer } from './layer.js';
import { nextToken } from './next-token.js';
import { declareWeights } from './parameters.js';
import { declareRotaryTables } from './rotary-tables.js';

/** Names of what a prompt graph reads beside weights and caches. */
export const prompts = {
  /** Padded on the right. Shape [B, P], int64. */
  ids: 'ids',
  /** Where the last token of each prompt stands among the B*P. Shape [N], N being B, int64. */
  rows: 'rows',
  /** Tokens of each prompt, less one. Shape [B], int32. */
  lastPositions: 'last_positions',
  /** P. Shape [1], int32. */
  longest: 'longest',
} as const;

/** Names of one layer's caches: what a run reads and, over the same memory, what it leaves. Shape [B, KV, capacity, d]. */
export function promptCacheNames(layer: number) {
  return {
    pastKeys: `past_keys.${layer}`,
    pastValues: `past_values.${layer}`,
    keys: `keys.${layer}`,
    values: `values.${layer}`,
  };
}

/**
 * Reads prompts: caches their keys and values, and tells the distribution of the token that follows each.
 *
 * Past and present are given the same memory, so the caches are written in place.
 */
export function promptGraph(config: ModelConfig): Graph {
  const graph = new Graph();
  const weights = declareWeights(graph, config);
  const tables = declareRotaryTables(graph, config);
  const ids = graph.input(prompts.ids, 'int64', ['B', 'P']);
  const rows = graph.input(prompts.rows, 'int64', ['N']);
  const lastPositions = graph.input(prompts.lastPositions, 'int32', ['B']);
  const longest = graph.input(prompts.longest, 'int32', [1]);
  const { heads, keyValueHeads, headDim } = config;
  const width = (heads + 2 * keyValueHeads) * headDim;
  const cacheShape = ['B', keyValueHeads, 'C', headDim];

  const cachedAttention = (index: number) => (qkv: Value) => {
    const names = promptCacheNames(index);
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
        reshape(graph, qkv, ['B', 'P', width]),
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
        { dtype: 'float32', shape: ['B', 'P', heads * headDim] },
        { dtype: 'float32', shape: cacheShape },
        { dtype: 'float32', shape: cacheShape },
      ],
    });
    if (mixed === undefined || keys === undefined || values === undefined)
      throw new Error('GroupQueryAttention has three outputs.');
    graph.output(names.keys, keys);
    graph.output(names.values, values);
    return reshape(graph, mixed, ['B*P', heads * headDim]);
  };

  let stream = embed(graph, weights.embedding, reshape(graph, ids, ['B*P']));
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
  nextToken(graph, rmsNorm(graph, stream, weights.norm, config.rmsNormEpsilon), weights.output);
  return graph;
}
