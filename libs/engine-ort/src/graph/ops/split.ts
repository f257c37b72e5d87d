import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { positiveAxis, type Dimension, type Value } from '../value.js';
import { concat } from './concat.js';
import { zerosLike } from './zeros-like.js';

/** Cuts a value along one axis into parts of the given lengths, which numbers or symbols of inputs tell. */
export function split(
  graph: Graph,
  value: Value,
  axis: number,
  lengths: readonly Dimension[],
): readonly Value[] {
  const at = positiveAxis(axis, value.shape.length);
  const parts = graph.add({
    op: 'Split',
    inputs: [value, lengthsTensor(graph, lengths)],
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

/** Shape [n], int64. */
function lengthsTensor(graph: Graph, lengths: readonly Dimension[]): Value {
  const known = lengths.filter((length) => typeof length === 'number');
  if (known.length === lengths.length) return graph.integers(...known);
  return graph.compute({
    op: 'Concat',
    inputs: lengths.map((length) =>
      typeof length === 'number' ? graph.integers(length) : graph.length(length),
    ),
    attributes: { axis: int(0) },
    dtype: 'int64',
    shape: [lengths.length],
  });
}
