import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';

/** The mean over the last axis, which stays with length 1. */
export function reduceMean(graph: Graph, value: Value): Value {
  return graph.compute({
    op: 'ReduceMean',
    inputs: [value, graph.integers(value.shape.length - 1)],
    attributes: { keepdims: int(1) },
    dtype: 'float32',
    shape: [...value.shape.slice(0, -1), 1],
  });
}
