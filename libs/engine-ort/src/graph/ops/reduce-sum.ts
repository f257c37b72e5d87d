import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { positiveAxis, type Value } from '../value.js';

/** Sums over axes, which stay with length 1. */
export function reduceSum(graph: Graph, value: Value, axes: readonly number[]): Value {
  const summed = axes.map((axis) => positiveAxis(axis, value.shape.length));
  return graph.compute({
    op: 'ReduceSum',
    inputs: [value, graph.integers(...summed)],
    attributes: { keepdims: int(1) },
    dtype: 'float32',
    shape: value.shape.map((length, axis) => (summed.includes(axis) ? 1 : length)),
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return [dy && expandLike(graph, dy, value)];
    },
  });
}

/** Stretches a value of compatible shape to the shape of another. */
function expandLike(graph: Graph, value: Value, target: Value): Value {
  const shape = graph.compute({
    op: 'Shape',
    inputs: [target],
    dtype: 'int64',
    shape: [target.shape.length],
  });
  return graph.compute({ op: 'Expand', inputs: [value, shape], dtype: value.dtype, shape: target.shape });
}
