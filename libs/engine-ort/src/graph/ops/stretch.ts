import { sumToShape } from '../broadcast.js';
import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Dimension, Value } from '../value.js';

/** Repeats a value along axes of length 1, up to lengths that are numbers or symbols of inputs. The rank stays. */
export function stretch(graph: Graph, value: Value, shape: readonly Dimension[]): Value {
  const lengths = shape.map((length, axis) =>
    // A length of 1 leaves an axis as it is.
    length === value.shape[axis]
      ? graph.integers(1)
      : typeof length === 'number'
        ? graph.integers(length)
        : graph.length(length),
  );
  const target = graph.compute({
    op: 'Concat',
    inputs: lengths,
    attributes: { axis: int(0) },
    dtype: 'int64',
    shape: [shape.length],
  });
  return graph.compute({
    op: 'Expand',
    inputs: [value, target],
    dtype: value.dtype,
    shape,
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return [dy && sumToShape(graph, dy, value.shape)];
    },
  });
}
