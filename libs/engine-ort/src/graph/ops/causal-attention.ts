import type { Graph } from '../graph.js';
import { int, type Attributes } from '../node.js';
import { dimension, product, type Value } from '../value.js';
import { reshape } from './reshape.js';
import type { RotaryAngles } from './rotary.js';

/** What is fixed of causal attention over whole sequences. */
export interface CausalAttention {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly angles: RotaryAngles;
  /** Symbols of the number of sequences and of their length, both of inputs of the graph. */
  readonly sequences: string;
  readonly length: string;
  /** Positions that a token sees, itself included; absent: all up to its own. */
  readonly window?: number;
}

/**
 * Turns queries and keys by their positions, and mixes values as ONNX Runtime's GroupQueryAttention does; only run forward.
 *
 * Shapes [B*S, (H + 2 KV) d] -> mixed [B*S, H d], turned keys and values [B, KV, S, d].
 */
export function causalAttention(
  graph: Graph,
  qkv: Value,
  settings: CausalAttention,
): { readonly mixed: Value; readonly keys: Value; readonly values: Value } {
  const { heads, keyValueHeads, headDim, angles, sequences, length, window } = settings;
  const attributes: Attributes = {
    num_heads: int(heads),
    kv_num_heads: int(keyValueHeads),
    do_rotary: int(1),
    rotary_interleaved: int(0),
    ...(window !== undefined && { local_window_size: int(window) }),
  };
  const whole = { dtype: 'int32', shape: [1] } as const;
  const longest = graph.compute({
    op: 'Cast',
    inputs: [graph.length(length)],
    attributes: { to: int(int32) },
    ...whole,
  });
  const last = graph.compute({
    op: 'Sub',
    inputs: [longest, graph.constant(Int32Array.of(1), [1])],
    ...whole,
  });
  // What is padded on the right is attended to by nothing before it, so every sequence may have the full length.
  const lastPositions = graph.compute({
    op: 'Expand',
    inputs: [last, graph.length(sequences)],
    dtype: 'int32',
    shape: [sequences],
  });
  const cache = { dtype: 'float32', shape: [sequences, keyValueHeads, length, headDim] } as const;
  const packed = reshape(graph, qkv, [sequences, length, dimension(qkv, 1)]);
  const [mixed, keys, values] = graph.add({
    op: 'GroupQueryAttention',
    domain: 'com.microsoft',
    // Queries, keys and values come packed in the first input; nothing came before.
    inputs: [
      packed,
      undefined,
      undefined,
      undefined,
      undefined,
      lastPositions,
      longest,
      angles.cosines,
      angles.sines,
    ],
    attributes,
    outputs: [{ dtype: 'float32', shape: [sequences, length, heads * headDim] }, cache, cache],
  });
  if (mixed === undefined || keys === undefined || values === undefined)
    throw new Error('GroupQueryAttention has three outputs.');
  return { mixed: reshape(graph, mixed, [product(sequences, length), heads * headDim]), keys, values };
}

/** TensorProto.DataType of int32. */
const int32 = 6;
