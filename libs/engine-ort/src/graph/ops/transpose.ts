import type { Graph } from '../graph.js';
import { ints } from '../node.js';
import { dimension, type Value } from '../value.js';

/** Reorders the axes: axis i of the result is axis `order[i]` of the value. */
export function transpose(graph: Graph, value: Value, order: readonly number[]): Value {
  return graph.compute({
    op: 'Transpose',
    inputs: [value],
    attributes: { perm: ints(order) },
    dtype: value.dtype,
    shape: order.map((axis) => dimension(value, axis)),
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      const inverse = order.map((_, axis) => order.indexOf(axis));
      return [dy && transpose(graph, dy, inverse)];
    },
  });
}
