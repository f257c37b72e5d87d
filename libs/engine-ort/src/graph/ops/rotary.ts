import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';
import { negate } from './elementwise.js';

/** Cosines and sines of the angles of every position. Shapes [context, d/2]. */
export interface RotaryAngles {
  readonly cosines: Value;
  readonly sines: Value;
}

/**
 * Rotary position embedding, pairing channel i with channel i + d/2 (as Llama does).
 *
 * Shapes: x [B, H, S, d]; positions [B, S], int64, or absent for 0 to S - 1. Its derivative is the rotation by the opposite
 * angles.
 */
export function rotary(
  graph: Graph,
  x: Value,
  { cosines, sines }: RotaryAngles,
  positions: Value = graph.integers(0),
): Value {
  return graph.compute({
    op: 'RotaryEmbedding',
    domain: 'com.microsoft',
    inputs: [x, positions, cosines, sines],
    attributes: { interleaved: int(0) },
    dtype: 'float32',
    shape: x.shape,
    derivative: ({ gradient }) => {
      const dy = gradient(0);
      return [dy && rotary(graph, dy, { cosines, sines: negate(graph, sines) }, positions)];
    },
  });
}
