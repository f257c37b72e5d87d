import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Dimension, Value } from '../value.js';

/** The same elements in another shape. A symbol that no input has must be the only length left open. */
export function reshape(graph: Graph, value: Value, shape: readonly Dimension[]): Value {
  return graph.compute({
    op: 'Reshape',
    inputs: [value, shapeTensor(graph, value, shape)],
    dtype: value.dtype,
    shape,
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return [dy && reshape(graph, dy, value.shape)];
    },
  });
}

/** The target shape as ONNX wants it: 0 copies the length at that axis, -1 is what remains. Shape [rank], int64. */
function shapeTensor(graph: Graph, value: Value, shape: readonly Dimension[]): Value {
  const open = shape.flatMap((length, axis) =>
    typeof length === 'string' && length !== value.shape[axis] ? [axis] : [],
  );
  // The axis that becomes -1: one whose length nothing else tells, or else any.
  const inferred = open.find((axis) => !isKnown(graph, shape[axis])) ?? open[0];
  const lengths = shape.map((length, axis) => {
    if (typeof length === 'number') return length;
    if (axis === inferred) return -1;
    return open.includes(axis) ? graph.length(length) : 0;
  });
  const fixed = lengths.filter((length) => typeof length === 'number');
  if (fixed.length === lengths.length) return graph.integers(...fixed);
  return graph.compute({
    op: 'Concat',
    inputs: lengths.map((length) => (typeof length === 'number' ? graph.integers(length) : length)),
    attributes: { axis: int(0) },
    dtype: 'int64',
    shape: [shape.length],
  });
}

function isKnown(graph: Graph, length: Dimension | undefined): boolean {
  return typeof length === 'string' && graph.hasSymbol(length);
}
