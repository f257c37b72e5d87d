import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';

/** x - log(sum(exp(x))) over the last axis; only run forward. */
export function logSoftmax(graph: Graph, value: Value): Value {
  return graph.compute({
    op: 'LogSoftmax',
    inputs: [value],
    attributes: { axis: int(-1) },
    dtype: 'float32',
    shape: value.shape,
  });
}
