import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { positiveAxis, staticDimension, type Value } from '../value.js';
import { split } from './split.js';

/** Joins values along one axis, whose lengths are known. */
export function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  const [first] = values;
  if (first === undefined) throw new RangeError('There is nothing to join.');
  const at = positiveAxis(axis, first.shape.length);
  const lengths = values.map((value) => staticDimension(value, at));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  return graph.compute({
    op: 'Concat',
    inputs: values,
    attributes: { axis: int(at) },
    dtype: first.dtype,
    shape: first.shape.map((length, i) => (i === at ? total : length)),
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return dy === undefined ? [] : split(graph, dy, at, lengths);
    },
  });
}
