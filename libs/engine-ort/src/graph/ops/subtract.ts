import { broadcastShape, sumToShape } from '../broadcast.js';
import type { Graph } from '../graph.js';
import type { Value } from '../value.js';
import { negate } from './elementwise.js';

/** left - right, element by element. */
export function subtract(graph: Graph, left: Value, right: Value): Value {
  return graph.compute({
    op: 'Sub',
    inputs: [left, right],
    dtype: left.dtype,
    shape: broadcastShape(left, right),
    derivative: ({ gradient, needs }) => {
      const dy = gradient(0);
      if (dy === undefined) return [];
      return [
        needs(0) ? sumToShape(graph, dy, left.shape) : undefined,
        needs(1) ? negate(graph, sumToShape(graph, dy, right.shape)) : undefined,
      ];
    },
  });
}
