import type { Graph } from './graph.js';
import { reduceSum } from './ops/reduce-sum.js';
import { reshape } from './ops/reshape.js';
import { describeValue, sameShape, type Dimension, type Value } from './value.js';

/** The shape of an element-wise result: lengths of 1 and missing leading axes stretch (NumPy's rule). */
export function broadcastShape(left: Value, right: Value): readonly Dimension[] {
  const rank = Math.max(left.shape.length, right.shape.length);
  return Array.from({ length: rank }, (_, axis) => {
    const a = left.shape[axis - rank + left.shape.length] ?? 1;
    const b = right.shape[axis - rank + right.shape.length] ?? 1;
    if (a === b || b === 1) return a;
    if (a === 1) return b;
    throw new RangeError(`${describeValue(left)} and ${describeValue(right)} do not broadcast.`);
  });
}

/** The gradient of a value that was stretched: sums over the axes that were, and restores the shape. */
export function sumToShape(graph: Graph, gradient: Value, shape: readonly Dimension[]): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const missing = gradient.shape.length - shape.length;
  const stretched = gradient.shape.flatMap((length, axis) => {
    const original = axis < missing ? undefined : shape[axis - missing];
    return original === undefined || (original === 1 && length !== 1) ? [axis] : [];
  });
  const summed = reduceSum(graph, gradient, stretched);
  return missing === 0 ? summed : reshape(graph, summed, shape);
}
