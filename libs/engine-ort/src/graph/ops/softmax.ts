import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';
import { multiply } from './multiply.js';
import { reduceSum } from './reduce-sum.js';
import { subtract } from './subtract.js';

/** exp(x) / sum(exp(x)) over the last axis. */
export function softmax(graph: Graph, value: Value): Value {
  const y: Value = graph.compute({
    op: 'Softmax',
    inputs: [value],
    attributes: { axis: int(-1) },
    dtype: 'float32',
    shape: value.shape,
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      if (dy === undefined) return [];
      const mean = reduceSum(graph, multiply(graph, dy, y), [-1]);
      return [multiply(graph, y, subtract(graph, dy, mean))];
    },
  });
  return y;
}
