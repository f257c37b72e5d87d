import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { positiveAxis, type Value } from '../value.js';
import { concat } from './concat.js';
import { zerosLike } from './zeros-like.js';

/** Cuts a value along one axis into parts of the given lengths. */
export function split(
  graph: Graph,
  value: Value,
  axis: number,
  lengths: readonly number[],
): readonly Value[] {
  const at = positiveAxis(axis, value.shape.length);
  const parts = graph.add({
    op: 'Split',
    inputs: [value, graph.integers(...lengths)],
    attributes: { axis: int(at) },
    outputs: lengths.map((length) => ({
      dtype: value.dtype,
      shape: value.shape.map((whole, i) => (i === at ? length : whole)),
    })),
    derivative: ({ gradient }) => [
      concat(
        graph,
        parts.map((part, i) => gradient(i) ?? zerosLike(graph, part)),
        at,
      ),
    ],
  });
  return parts;
}
