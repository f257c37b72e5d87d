import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { describeValue, staticDimension, type Value } from '../value.js';
import { both, less, where } from './elementwise.js';
import { reshape } from './reshape.js';

/**
 * The matrix itself, computed only once all `earlier` values are; not differentiable. Shape [rows, known columns].
 *
 * ONNX Runtime orders nodes as it likes. To free memory in time, what a later part reads is made to depend on what an
 * earlier part wrote: the matrix is given its own shape, which is read off those values. No data is copied.
 */
export function after(graph: Graph, matrix: Value, earlier: readonly Value[]): Value {
  return allAfter(graph, [matrix], earlier)[0] ?? matrix;
}

/** The same for several matrices at once. */
export function allAfter(
  graph: Graph,
  matrices: readonly Value[],
  earlier: readonly Value[],
): readonly Value[] {
  const [first, ...more] = earlier;
  if (first === undefined) return matrices;
  const never = more.reduce(
    (known, value) => both(graph, known, isNever(graph, value)),
    isNever(graph, first),
  );
  return matrices.map((matrix) => {
    if (matrix.shape.length !== 2) throw new RangeError(`${describeValue(matrix)} is not a matrix.`);
    // -1 is whatever remains.
    const own = graph.integers(-1, staticDimension(matrix, 1));
    const shape = where(graph, never, graph.integers(0, 0), own);
    return graph.compute({
      op: 'Reshape',
      inputs: [matrix, shape],
      dtype: matrix.dtype,
      shape: matrix.shape,
    });
  });
}

/** False, whatever the value's first element: no number is less than itself. Shape [1]. */
function isNever(graph: Graph, value: Value): Value {
  let element = value;
  value.shape.forEach((_, axis) => {
    element = graph.compute({
      op: 'Gather',
      inputs: [element, graph.integers(0)],
      attributes: { axis: int(axis) },
      dtype: value.dtype,
      shape: value.shape.map((length, other) => (other <= axis ? 1 : length)),
    });
  });
  const first = reshape(graph, element, [1]);
  return less(graph, first, first);
}
