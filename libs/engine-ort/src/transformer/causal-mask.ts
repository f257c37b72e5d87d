import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { less, where } from '../graph/ops/elementwise.js';
import { reshape } from '../graph/ops/reshape.js';
import type { Value } from '../graph/value.js';

/**
 * What to add to attention scores: 0 up to the own position, a very low number after it, and before the last `window`
 * positions where there is a window. Shape [T, T], query by key.
 */
export function causalMask(graph: Graph, length: string, window?: number): Value {
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
  const own = reshape(graph, positions, [length, 1]);
  const [hidden, seen] = [graph.scalar(-1e30), graph.scalar(0)];
  const later = where(graph, less(graph, own, positions), hidden, seen);
  if (window === undefined) return later;
  const shifted = add(graph, positions, graph.constant(BigInt64Array.of(BigInt(window - 1)), []));
  return where(graph, less(graph, shifted, own), hidden, later);
}
