import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { describeValue, dimension, type Value } from '../value.js';
import { less, where } from './elementwise.js';
import { reshape } from './reshape.js';

/**
 * The matrix itself, computed only once all `earlier` values are; not differentiable.
 *
 * ONNX Runtime orders nodes as it likes. To free memory in time, what a later part reads is made to depend on what an
 * earlier part wrote: its shape gets an entry -1 ("whatever remains") that is read off those values. No data is copied.
 */
export function after(graph: Graph, matrix: Value, earlier: readonly Value[]): Value {
  if (earlier.length === 0) return matrix;
  if (matrix.shape.length !== 2) throw new RangeError(`${describeValue(matrix)} is not a matrix.`);
  const marks = earlier.map((value) => minusOne(graph, firstElement(graph, value)));
  const columns = dimension(matrix, 1);
  if (typeof columns !== 'number') throw new RangeError(`${describeValue(matrix)} has a symbolic width.`);
  const rows =
    marks.length === 1 ? marks : [graph.compute({ op: 'Min', inputs: marks, dtype: 'int64', shape: [1] })];
  const shape = graph.compute({
    op: 'Concat',
    inputs: [...rows, graph.integers(columns)],
    attributes: { axis: int(0) },
    dtype: 'int64',
    shape: [2],
  });
  return graph.compute({ op: 'Reshape', inputs: [matrix, shape], dtype: matrix.dtype, shape: matrix.shape });
}

/** Shape [1]. */
function firstElement(graph: Graph, value: Value): Value {
  let element = value;
  for (let axis = 0; axis < value.shape.length; axis++)
    element = graph.compute({
      op: 'Gather',
      inputs: [element, graph.integers(0)],
      attributes: { axis: int(axis) },
      dtype: value.dtype,
      shape: value.shape.map((length, other) => (other <= axis ? 1 : length)),
    });
  return reshape(graph, element, [1]);
}

/** -1, read off an element of any value: no number is less than itself, NaN neither. Shape [1], int64. */
function minusOne(graph: Graph, element: Value): Value {
  return where(graph, less(graph, element, element), graph.integers(0), graph.integers(-1));
}
