import type { Graph } from '../graph/graph.js';
import { multiply } from '../graph/ops/multiply.js';
import { softmax } from '../graph/ops/softmax.js';
import { dimension, type Value } from '../graph/value.js';
import { byRows, type Products } from './products.js';

/** Names of what the last part of generation reads and writes. */
export const nextTokens = {
  /** 1 / temperature of each row. Shape [N, 1]. */
  inverseTemperatures: 'inverse_temperatures',
  /** Shape [N, V]. */
  probabilities: 'probabilities',
} as const;

/** Writes the distribution of the token that follows each row, at the row's temperature. Shapes [N, D], [V, D]. */
export function nextToken(graph: Graph, hidden: Value, output: Value, products: Products = byRows): void {
  const inverse = graph.input(nextTokens.inverseTemperatures, 'float32', [dimension(hidden, 0), 1]);
  // The hidden states are the smaller matrix to divide.
  const logits = products.linear(graph, multiply(graph, hidden, inverse), output);
  graph.output(nextTokens.probabilities, softmax(graph, logits));
}
