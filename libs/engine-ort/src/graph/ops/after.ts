import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { describeValue, staticDimension, type Value } from '../value.js';
import { less, where } from './elementwise.js';
import { reshape } from './reshape.js';

/**
 * The matrix itself, computed only once all `earlier` values are; not differentiable. Shape [rows, known columns].
 *
 * ONNX Runtime orders nodes as it likes. To free memory in time, what a later part reads is made to depend on what an
 * earlier part wrote: the matrix is given its own shape, which is read off those values. No data is copied.
 */
export function after(graph: Graph, matrix: Value, earlier: readonly Value[]): Value {
  if (earlier.length === 0) return matrix;
  if (matrix.shape.length !== 2) throw new RangeError(`${describeValue(matrix)} is not a matrix.`);
  const columns = staticDimension(matrix, 1);
  const shapes = earlier.map((value) => ownShape(graph, columns, firstElement(graph, value)));
  const shape = graph.compute({ op: 'Min', inputs: shapes, dtype: 'int64', shape: [2] });
  return graph.compute({ op: 'Reshape', inputs: [matrix, shape], dtype: matrix.dtype, shape: matrix.shape });
}

/** Shape [1]. */
function firstElement(graph: Graph, value: Value): Value {
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
  return reshape(graph, element, [1]);
}

/** [-1 for whatever remains, columns], whatever the element: no number is less than itself. Shape [2], int64. */
function ownShape(graph: Graph, columns: number, element: Value): Value {
  const never = less(graph, element, element);
  return where(graph, never, graph.integers(0, 0), graph.integers(-1, columns));
}
