import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';

/**
 * The k largest elements along the last axis, largest first (ties: lower index first); only run forward.
 *
 * `k` is known when the graph is built, or a value of shape [1], int64.
 */
export function topK(
  graph: Graph,
  value: Value,
  k: number | Value,
): { readonly values: Value; readonly indices: Value } {
  const shape = [...value.shape.slice(0, -1), typeof k === 'number' ? k : 'K'];
  const [values, indices] = graph.add({
    op: 'TopK',
    inputs: [value, typeof k === 'number' ? graph.integers(k) : k],
    attributes: { axis: int(-1), largest: int(1), sorted: int(1) },
    outputs: [
      { dtype: value.dtype, shape },
      { dtype: 'int64', shape },
    ],
  });
  if (values === undefined || indices === undefined) throw new Error('TopK has two outputs.');
  return { values, indices };
}
