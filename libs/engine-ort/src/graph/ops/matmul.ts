import { broadcastShape, sumToShape } from '../broadcast.js';
import type { Graph } from '../graph.js';
import { float, int } from '../node.js';
import { describeValue, dimension, type Value } from '../value.js';

/** Which operands are transposed in their last two axes, and what multiplies the product. */
export interface MatmulOptions {
  readonly transposeLeft?: boolean;
  readonly transposeRight?: boolean;
  readonly scale?: number;
}

/** scale * left @ right over the last two axes; the axes before them broadcast. */
export function matmul(graph: Graph, left: Value, right: Value, options: MatmulOptions = {}): Value {
  const { transposeLeft = false, transposeRight = false, scale = 1 } = options;
  const [rows, inner] = transposeLeft ? [-1, -2] : [-2, -1];
  const [otherInner, columns] = transposeRight ? [-1, -2] : [-2, -1];
  if (dimension(left, inner) !== dimension(right, otherInner))
    throw new RangeError(
      `${describeValue(left)} and ${describeValue(right)} do not multiply: inner lengths differ.`,
    );
  const batch = broadcastShape(
    { ...left, shape: left.shape.slice(0, -2) },
    { ...right, shape: right.shape.slice(0, -2) },
  );
  return graph.compute({
    op: 'FusedMatMul',
    domain: 'com.microsoft',
    inputs: [left, right],
    attributes: {
      alpha: float(scale),
      transA: int(Number(transposeLeft)),
      transB: int(Number(transposeRight)),
    },
    dtype: 'float32',
    shape: [...batch, dimension(left, rows), dimension(right, columns)],
    derivative: ({ gradient, needs }) => {
      const dy = gradient(0);
      if (dy === undefined) return [];
      // With A' and B' the operands as multiplied: dA' = dY B'^T and dB' = A'^T dY, each transposed back if it was.
      const leftGradient = () =>
        transposeLeft
          ? matmul(graph, right, dy, { transposeLeft: transposeRight, transposeRight: true, scale })
          : matmul(graph, dy, right, { transposeRight: !transposeRight, scale });
      const rightGradient = () =>
        transposeRight
          ? matmul(graph, dy, left, { transposeLeft: true, transposeRight: transposeLeft, scale })
          : matmul(graph, left, dy, { transposeLeft: !transposeLeft, scale });
      return [
        needs(0) ? sumToShape(graph, leftGradient(), left.shape) : undefined,
        needs(1) ? sumToShape(graph, rightGradient(), right.shape) : undefined,
      ];
    },
  });
}
