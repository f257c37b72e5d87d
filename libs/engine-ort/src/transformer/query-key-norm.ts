import type { ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { concat, split } from '../graph/ops/parts.js';
import { reshape } from '../graph/ops/reshape.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import { dimension, type Value } from '../graph/value.js';
import type { LayerWeights } from './parameters.js';

/**
 * Normalises queries and keys as the architecture says, before they are turned; values pass.
 *
 * Shape [M, (H + 2 KV) d] -> the same.
 */
export function queryKeyNorm(graph: Graph, config: ModelConfig, weights: LayerWeights, qkv: Value): Value {
  const { heads, keyValueHeads, headDim, rmsNormEpsilon, architecture } = config;
  const { queryNorm, keyNorm } = weights;
  if (queryNorm === undefined || keyNorm === undefined) return qkv;
  const [queries, keys, values] = split(graph, qkv, -1, [
    heads * headDim,
    keyValueHeads * headDim,
    keyValueHeads * headDim,
  ]);
  if (queries === undefined || keys === undefined || values === undefined)
    throw new Error('A split has three parts.');
  const normalise = (part: Value, count: number, weight: Value): Value => {
    if (architecture.queryKeyNorm === 'projection') return rmsNorm(graph, part, weight, rmsNormEpsilon);
    const byHead = reshape(graph, part, [dimension(part, 0), count, headDim]);
    return reshape(graph, rmsNorm(graph, byHead, weight, rmsNormEpsilon), part.shape);
  };
  return concat(
    graph,
    [normalise(queries, heads, queryNorm), normalise(keys, keyValueHeads, keyNorm), values],
    -1,
  );
}
