import type { Graph } from '../graph/graph.js';
import { less, where } from '../graph/ops/elementwise.js';
import { reshape } from '../graph/ops/reshape.js';
import type { Value } from '../graph/value.js';

/** What to add to attention scores: 0 up to the own position, a very low number after it. Shape [T, T], query by key. */
export function causalMask(graph: Graph, length: string): Value {
  const positions = graph.compute({
    op: 'Range',
    inputs: [
      graph.constant(BigInt64Array.of(0n), []),
      reshape(graph, graph.length(length), []),
      graph.constant(BigInt64Array.of(1n), []),
    ],
    dtype: 'int64',
    shape: [length],
  });
  const later = less(graph, reshape(graph, positions, [length, 1]), positions);
  return where(graph, later, graph.scalar(-1e30), graph.scalar(0));
}
