import type { Graph } from '../graph/graph.js';
import { matmul } from '../graph/ops/matmul.js';
import { transpose } from '../graph/ops/transpose.js';
import type { Value } from '../graph/value.js';

/** How activations are multiplied by weights, which are [out, in]. */
export interface Products {
  /** From rows to rows. Shapes [M, in] -> [M, out]. */
  readonly linear: Product;
  /** From rows to inner values, which are rows or columns. Shapes [M, in] -> [M, out] or [out, M]. */
  readonly into: Product;
  /** From inner values to rows. Shapes [M, in] or [in, M] -> [M, out]. */
  readonly outOf: Product;
  /** The axis of inner values along which their channels lie. */
  readonly channels: 0 | 1;
}

type Product = (graph: Graph, value: Value, weight: Value) => Value;

const rowsTimes: Product = (graph, rows, weight) => matmul(graph, rows, weight, { transposeRight: true });

/** Products as they stand: ONNX Runtime packs the weights first, which many rows pay for, and one row does not need. */
export const byRows: Products = { linear: rowsTimes, into: rowsTimes, outOf: rowsTimes, channels: 1 };

/**
 * The same turned over, W x^T, which packs the few rows instead of the weights and reads these as they lie.
 *
 * To pack weights costs as much as to multiply them by 32 rows, and weights that change cannot be packed ahead.
 */
export const byColumns: Products = {
  linear: (graph, rows, weight) => turned(graph, timesRows(graph, rows, weight)),
  into: (graph, rows, weight) => timesRows(graph, rows, weight),
  outOf: (graph, columns, weight) => turned(graph, matmul(graph, weight, columns)),
  channels: 0,
};

function timesRows(graph: Graph, rows: Value, weight: Value): Value {
  return matmul(graph, weight, rows, { transposeRight: true });
}

function turned(graph: Graph, matrix: Value): Value {
  return transpose(graph, matrix, [1, 0]);
}
