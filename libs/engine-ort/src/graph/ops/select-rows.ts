import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { dimension, type Value } from '../value.js';
import { reshape } from './reshape.js';
import { zerosLike } from './zeros-like.js';

/**
 * Rows of a matrix by index. Shapes [M, D], [N] -> [N, D].
 *
 * The indices must be distinct: the derivative writes each row once, because a scatter that adds duplicates is a data
 * race in ONNX Runtime.
 */
export function selectRows(graph: Graph, matrix: Value, distinctRows: Value): Value {
  return graph.compute({
    op: 'Gather',
    inputs: [matrix, distinctRows],
    attributes: { axis: int(0) },
    dtype: matrix.dtype,
    shape: [dimension(distinctRows, 0), dimension(matrix, 1)],
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      if (dy === undefined) return [];
      const indices = reshape(graph, distinctRows, [dimension(distinctRows, 0), 1]);
      return [
        graph.compute({
          op: 'ScatterND',
          inputs: [zerosLike(graph, matrix), indices, dy],
          dtype: 'float32',
          shape: matrix.shape,
        }),
      ];
    },
  });
}
