import type { Graph } from '../graph.js';
import type { Value } from '../value.js';

/** Float32 zeros in the shape that `value` has at a run. */
export function zerosLike(graph: Graph, value: Value): Value {
  const shape = graph.compute({ op: 'Shape', inputs: [value], dtype: 'int64', shape: [value.shape.length] });
  // ConstantOfShape fills with float32 0 unless told otherwise.
  return graph.compute({ op: 'ConstantOfShape', inputs: [shape], dtype: 'float32', shape: value.shape });
}
