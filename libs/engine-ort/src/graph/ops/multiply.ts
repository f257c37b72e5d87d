import { broadcastShape, sumToShape } from '../broadcast.js';
import type { Graph } from '../graph.js';
import type { Value } from '../value.js';

/** left * right, element by element. */
export function multiply(graph: Graph, left: Value, right: Value): Value {
  return graph.compute({
    op: 'Mul',
    inputs: [left, right],
    dtype: left.dtype,
    shape: broadcastShape(left, right),
    derivative: ({ gradient, needs }) => {
      const dy = gradient(0);
      if (dy === undefined) return [];
      return [
        needs(0) ? sumToShape(graph, multiply(graph, dy, right), left.shape) : undefined,
        needs(1) ? sumToShape(graph, multiply(graph, dy, left), right.shape) : undefined,
      ];
    },
  });
}

/** value * factor. */
export function scale(graph: Graph, value: Value, factor: number): Value {
  return factor === 1 ? value : multiply(graph, value, graph.scalar(factor));
}
