import type { Graph } from '../graph.js';
import { float, int } from '../node.js';
import { dimension, type Value } from '../value.js';
import { sumToShape } from '../broadcast.js';
import { multiply } from './multiply.js';
import { reduceMean } from './reduce-mean.js';
import { subtract } from './subtract.js';

/** x / sqrt(mean(x^2) + epsilon) * weight over the last axis. Shapes [..., D], [D]. */
export function rmsNorm(graph: Graph, x: Value, weight: Value, epsilon: number): Value {
  const [y, inverse] = graph.add({
    op: 'SimplifiedLayerNormalization',
    inputs: [x, weight],
    attributes: { axis: int(-1), epsilon: float(epsilon), stash_type: int(1) },
    // The second output, 1 / sqrt(mean(x^2) + epsilon), is what the derivative needs.
    outputs: [
      { dtype: 'float32', shape: x.shape },
      { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] },
    ],
    derivative: ({ gradient, needs }) => {
      const dy = gradient(0);
      if (dy === undefined || inverse === undefined) return [];
      const normal = multiply(graph, x, inverse);
      const inputGradient = () => {
        const scaled = multiply(graph, dy, weight);
        const projection = reduceMean(graph, multiply(graph, scaled, normal));
        return multiply(graph, inverse, subtract(graph, scaled, multiply(graph, normal, projection)));
      };
      return [
        needs(0) ? inputGradient() : undefined,
        needs(1) ? sumToShape(graph, multiply(graph, dy, normal), [dimension(weight, 0)]) : undefined,
      ];
    },
  });
  if (y === undefined) throw new Error('SimplifiedLayerNormalization has no output.');
  return y;
}
