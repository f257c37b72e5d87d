import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { dimension, positiveAxis, type Dimension, type Value } from '../value.js';
import { split } from './split.js';

/** Joins values along one axis, whose lengths are numbers or symbols of inputs. */
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

/** The sum of lengths; of symbols, the symbol of their sum. */
function total(lengths: readonly Dimension[]): Dimension {
  const known = lengths.filter((length) => typeof length === 'number');
  return known.length === lengths.length ? known.reduce((sum, length) => sum + length, 0) : lengths.join('+');
}
