import type { Graph } from '../graph/graph.js';
import { matmul } from '../graph/ops/matmul.js';
import { transpose } from '../graph/ops/transpose.js';
import type { Value } from '../graph/value.js';

/** Rows times a matrix of weights. Shapes [M, in], [out, in] -> [M, out]. */
export type Product = (graph: Graph, rows: Value, weight: Value) => Value;

/** The product as it stands: ONNX Runtime packs the weights first, which many rows pay for, and one row does not need. */
export function byRows(graph: Graph, rows: Value, weight: Value): Value {
  return matmul(graph, rows, weight, { transposeRight: true });
}

/**
 * The same turned over, W x^T, which packs the rows instead of the weights and reads these as they lie.
 *
 * To pack weights costs as much as to multiply them by 32 rows, and weights that change cannot be packed ahead.
 */
export function byColumns(graph: Graph, rows: Value, weight: Value): Value {
  return transpose(graph, matmul(graph, weight, rows, { transposeRight: true }), [1, 0]);
}
