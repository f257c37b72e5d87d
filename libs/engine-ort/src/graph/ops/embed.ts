import type { Graph } from '../graph.js';
import { int } from '../node.js';
import { dimension, staticDimension, type Value } from '../value.js';
import { matmul } from './matmul.js';

/**
 * Rows of an embedding table by token id, which may repeat. Shapes [V, D], [M] -> [M, D].
 *
 * The derivative with respect to the table is onehot(ids)^T @ gradient: exact in any number of threads, and cheap while V
 * is small. For a large V differentiate with respect to the returned rows, and add them up per id outside the graph.
 */
export function embed(graph: Graph, table: Value, ids: Value): Value {
  return graph.compute({
    op: 'Gather',
    inputs: [table, ids],
    attributes: { axis: int(0) },
    dtype: 'float32',
    shape: [dimension(ids, 0), dimension(table, 1)],
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return [
        dy && matmul(graph, oneHot(graph, ids, staticDimension(table, 0)), dy, { transposeLeft: true }),
      ];
    },
  });
}

/** 1 at each id and 0 elsewhere. Shapes [M] -> [M, V]. */
export function oneHot(graph: Graph, ids: Value, vocabularySize: number): Value {
  return graph.compute({
    op: 'OneHot',
    inputs: [ids, graph.integers(vocabularySize), graph.constant(Float32Array.of(0, 1), [2])],
    attributes: { axis: int(-1) },
    dtype: 'float32',
    shape: [dimension(ids, 0), vocabularySize],
  });
}
