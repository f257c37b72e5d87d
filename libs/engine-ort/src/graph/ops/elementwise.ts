import { broadcastShape } from '../broadcast.js';
import type { Graph } from '../graph.js';
import type { Value } from '../value.js';

/** Element-wise operators that are only run forward. */

export const negate = unary('Neg');
export const exp = unary('Exp');
export const log = unary('Log');
export const abs = unary('Abs');
export const sigmoid = unary('Sigmoid');

export const divide = binary('Div');
export const minimum = binary('Min');
export const maximum = binary('Max');

/** Comparisons and their conjunction, as bool. */
export const less = binary('Less', 'bool');
export const lessOrEqual = binary('LessOrEqual', 'bool');
export const equal = binary('Equal', 'bool');
export const both = binary('And', 'bool');

/** `yes` where the condition holds, else `no`. */
export function where(graph: Graph, condition: Value, yes: Value, no: Value): Value {
  const branches = broadcastShape(yes, no);
  const shape = broadcastShape(condition, { ...yes, shape: branches });
  return graph.compute({ op: 'Where', inputs: [condition, yes, no], dtype: yes.dtype, shape });
}

/** The value kept within [low, high]. */
export function clip(graph: Graph, value: Value, low: number, high: number): Value {
  const inputs = [value, graph.scalar(low), graph.scalar(high)];
  return graph.compute({ op: 'Clip', inputs, dtype: value.dtype, shape: value.shape });
}

function unary(op: string) {
  return (graph: Graph, value: Value): Value =>
    graph.compute({ op, inputs: [value], dtype: value.dtype, shape: value.shape });
}

function binary(op: string, dtype?: 'bool') {
  return (graph: Graph, left: Value, right: Value): Value =>
    graph.compute({
      op,
      inputs: [left, right],
      dtype: dtype ?? left.dtype,
      shape: broadcastShape(left, right),
    });
}
