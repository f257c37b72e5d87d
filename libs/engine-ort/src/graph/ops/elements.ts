import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';

/** The elements of each row at the row's own indices; only run forward. Shapes [N, V], [N, K] -> [N, K]. */
export function gatherElements(graph: Graph, value: Value, indices: Value): Value {
  return graph.compute({
    op: 'GatherElements',
    inputs: [value, indices],
    attributes: { axis: int(-1) },
    dtype: value.dtype,
    shape: indices.shape,
  });
}

/** The value with each row's elements at the row's own, distinct indices replaced; only run forward. Shapes [N, V], [N, K], [N, K]. */
export function replaceElements(graph: Graph, value: Value, indices: Value, updates: Value): Value {
  return graph.compute({
    op: 'ScatterElements',
    inputs: [value, indices, updates],
    attributes: { axis: int(-1) },
    dtype: value.dtype,
    shape: value.shape,
  });
}
