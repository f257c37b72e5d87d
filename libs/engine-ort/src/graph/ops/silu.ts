import type { Graph } from '../graph.js';
import { float } from '../node.js';
import type { Value } from '../value.js';
import { add } from './add.js';
import { sigmoid } from './elementwise.js';
import { multiply } from './multiply.js';
import { subtract } from './subtract.js';

/** x * sigmoid(x), which ONNX Runtime computes as QuickGelu with alpha 1. */
export function silu(graph: Graph, x: Value): Value {
  const y: Value = graph.compute({
    op: 'QuickGelu',
    domain: 'com.microsoft',
    inputs: [x],
    attributes: { alpha: float(1) },
    dtype: 'float32',
    shape: x.shape,
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      if (dy === undefined) return [];
      // With s = sigmoid(x): dy/dx = s + x s (1 - s) = y + s (1 - y).
      const rest = multiply(graph, sigmoid(graph, x), subtract(graph, graph.scalar(1), y));
      return [multiply(graph, dy, add(graph, y, rest))];
    },
  });
  return y;
}
