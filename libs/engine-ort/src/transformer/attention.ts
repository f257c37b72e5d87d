import type { ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { matmul } from '../graph/ops/matmul.js';
import { reshape } from '../graph/ops/reshape.js';
import { rotary } from '../graph/ops/rotary.js';
import { softmax } from '../graph/ops/softmax.js';
import { split } from '../graph/ops/split.js';
import { transpose } from '../graph/ops/transpose.js';
import { product, type Value } from '../graph/value.js';
import type { RotaryTables } from './rotary-tables.js';

/**
 * Causal grouped-query attention over whole sequences, differentiable. Shapes [B*T, (H + 2 KV) d] -> [B*T, H d].
 *
 * Rows are padded on the right: a causal row never looks at what comes after it, so padding needs no mask of its own. The
 * queries that share a key are stacked as rows of one product, so keys and values are never repeated.
 */
export function attention(
  graph: Graph,
  { heads, keyValueHeads, headDim }: ModelConfig,
  qkv: Value,
  tables: RotaryTables,
  mask: Value,
): Value {
  const group = heads / keyValueHeads;
  const grouped = product(group, 'T');
  const byHead = transpose(
    graph,
    reshape(graph, qkv, ['B', 'T', heads + 2 * keyValueHeads, headDim]),
    [0, 2, 1, 3],
  );
  const [turning, values] = split(graph, byHead, 1, [heads + keyValueHeads, keyValueHeads]);
  if (turning === undefined || values === undefined) throw new Error('A split has two parts.');
  const turned = rotary(graph, turning, tables.cosines, tables.sines);
  const [queries, keys] = split(graph, turned, 1, [heads, keyValueHeads]);
  if (queries === undefined || keys === undefined) throw new Error('A split has two parts.');

  const stacked = reshape(graph, queries, ['B', keyValueHeads, grouped, headDim]);
  const scores = matmul(graph, stacked, keys, { transposeRight: true, scale: 1 / Math.sqrt(headDim) });
  const perHead = reshape(graph, scores, ['B', keyValueHeads, group, 'T', 'T']);
  const weights = softmax(graph, add(graph, perHead, mask));
  const mixed = matmul(graph, reshape(graph, weights, ['B', keyValueHeads, grouped, 'T']), values);
  const byPosition = transpose(graph, reshape(graph, mixed, ['B', heads, 'T', headDim]), [0, 2, 1, 3]);
  return reshape(graph, byPosition, ['B*T', heads * headDim]);
}
