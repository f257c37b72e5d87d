import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { dimension, positiveAxis, type Dimension, type Value } from '../value.js';
import { zerosLike } from './zeros-like.js';

/** Cutting along an axis, and joining: one idea, as the derivative of each is the other. */

/** Cuts a value along one axis into parts of the given lengths, which numbers or symbols of the graph tell. */
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

/** Joins values along one axis, whose lengths are numbers or symbols of the graph. */
export function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  const [first] = values;
  if (first === undefined) throw new RangeError('There is nothing to join.');
  const at = positiveAxis(axis, first.shape.length);
  const lengths = values.map((value) => dimension(value, at));
  return graph.compute({
    op: 'Concat',
    inputs: values,
    attributes: { axis: int(at) },
    dtype: first.dtype,
    shape: first.shape.map((length, i) => (i === at ? total(lengths) : length)),
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return dy === undefined ? [] : split(graph, dy, at, lengths);
    },
  });
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

/** The sum of lengths; of symbols, the symbol of their sum. */
function total(lengths: readonly Dimension[]): Dimension {
  const known = lengths.filter((length) => typeof length === 'number');
  return known.length === lengths.length ? known.reduce((sum, length) => sum + length, 0) : lengths.join('+');
}
