import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';
import { negate } from './elementwise.js';

/**
 * Rotary position embedding of positions 0 to S - 1, pairing channel i with channel i + d/2 (as Llama does).
 *
 * Shapes: x [B, H, S, d]; cosines and sines [context, d/2]. Its derivative is the rotation by the opposite angles.
 */
export function rotary(graph: Graph, x: Value, cosines: Value, sines: Value): Value {
  return graph.compute({
    op: 'RotaryEmbedding',
    domain: 'com.microsoft',
    inputs: [x, graph.integers(0), cosines, sines],
    attributes: { interleaved: int(0) },
    dtype: 'float32',
    shape: x.shape,
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return [dy && rotary(graph, dy, cosines, negate(graph, sines))];
    },
  });
}
