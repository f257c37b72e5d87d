import { broadcastShape, sumToShape } from '../broadcast.js';
import type { Graph } from '../graph.js';
import type { Value } from '../value.js';

/** left + right, element by element. */
export function add(graph: Graph, left: Value, right: Value): Value {
  return graph.compute({
    op: 'Add',
    inputs: [left, right],
    dtype: left.dtype,
    shape: broadcastShape(left, right),
    derivative: ({ gradient, needs }) => {
      const dy = gradient(0);
      if (dy === undefined) return [];
      return [left, right].map((input, i) => (needs(i) ? sumToShape(graph, dy, input.shape) : undefined));
    },
  });
}

/** The sum of values of one shape; of a single value, itself. */
export function addAll(graph: Graph, values: readonly [Value, ...Value[]]): Value {
  const [first, ...rest] = values;
  if (rest.length === 0) return first;
  return graph.compute({ op: 'Sum', inputs: values, dtype: first.dtype, shape: first.shape });
}
