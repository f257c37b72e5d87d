import type { ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { add, addAll } from '../graph/ops/add.js';
import { matmul } from '../graph/ops/matmul.js';
import { concat, split } from '../graph/ops/parts.js';
import { reshape } from '../graph/ops/reshape.js';
import { rotary, type RotaryAngles } from '../graph/ops/rotary.js';
import { softmax } from '../graph/ops/softmax.js';
import { product, type Dimension, type Value } from '../graph/value.js';

/** Where the N rows that are decoded sit: in G seats before each of B prompts, of which some may be empty. */
export interface Seats {
  /** The row of each seat, any row for an empty one, and the head of keys and values. Shape [B, KV, G, 2], int64. */
  readonly rows: Value;
  /** The prompt of each row, the head of keys and values, and the seat. Shape [N, KV, 3], int64. */
  readonly seats: Value;
}

/** What decoding attention knows of its tokens beside their values. */
export interface DecodingSight {
  readonly angles: RotaryAngles;
  /** Where each token stands in its sequence. Shape [N, 1], int64. */
  readonly positions: Value;
  readonly seats: Seats;
  /** What to add to the scores of prompt, own tokens and the new one. Shape [B, 1, G, 1, P+C+1]. */
  readonly mask: Value;
}

/** Keys and values of the tokens before. */
export interface DecodingCache {
  /** Shape [B, KV, P, d]. */
  readonly promptKeys: Value;
  readonly promptValues: Value;
  /** Of the C tokens that each row wrote itself before. Shape [N, KV, C, d]. */
  readonly ownKeys: Value;
  readonly ownValues: Value;
}

/** What decoding attention writes. */
export interface Decoded {
  /** Shape [N, H d]. */
  readonly mixed: Value;
  /** Of the new tokens. Shape [N, KV, 1, d]. */
  readonly keys: Value;
  readonly values: Value;
}

/**
 * Causal grouped-query attention of one new token per row. Shape of `qkv` [N, (H + 2 KV) d].
 *
 * A prompt is read once for all rows and heads that share it: their queries are rows of one product. What a row wrote
 * itself, it reads alone.
 */
export function decodingAttention(
  graph: Graph,
  { heads, keyValueHeads, headDim }: ModelConfig,
  qkv: Value,
  { angles, positions, seats, mask }: DecodingSight,
  cache: DecodingCache,
): Decoded {
  const group = heads / keyValueHeads;
  const scaled = { transposeRight: true, scale: 1 / Math.sqrt(headDim) };
  const whole = reshape(graph, qkv, ['N', heads + 2 * keyValueHeads, 1, headDim]);
  const [turning, values] = parts(split(graph, whole, 1, [heads + keyValueHeads, keyValueHeads]));
  const turned = rotary(graph, turning, angles, positions);
  const [flat, keys] = parts(split(graph, turned, 1, [heads, keyValueHeads]));
  const queries = reshape(graph, flat, ['N', keyValueHeads, group, headDim]);

  const stacked = (width: Dimension) => ['B', keyValueHeads, product('G', group), width];
  const seated = reshape(graph, toSeats(graph, queries, seats), stacked(headDim));
  const promptScores = reshape(graph, matmul(graph, seated, cache.promptKeys, scaled), [
    'B',
    keyValueHeads,
    'G',
    group,
    'P',
  ]);
  const ownScores = [cache.ownKeys, keys].map((part) =>
    toSeats(graph, matmul(graph, queries, part, scaled), seats),
  );
  const scores = concat(graph, [promptScores, ...ownScores], -1);
  const weights = softmax(graph, add(graph, scores, mask));

  const [promptWeights, earlier, newest] = split(graph, weights, -1, ['P', 'C', 1]);
  if (promptWeights === undefined || earlier === undefined || newest === undefined)
    throw new Error('A split in three has three parts.');
  const fromPrompt = matmul(graph, reshape(graph, promptWeights, stacked('P')), cache.promptValues);
  const inSeats = reshape(graph, fromPrompt, ['B', keyValueHeads, 'G', group, headDim]);
  const mixed = addAll(graph, [
    toRows(graph, inSeats, seats),
    matmul(graph, toRows(graph, earlier, seats), cache.ownValues),
    matmul(graph, toRows(graph, newest, seats), values),
  ]);
  return { mixed: reshape(graph, mixed, ['N', heads * headDim]), keys, values };
}

/** Shape [N, KV, H/KV, w] -> [B, KV, G, H/KV, w]. */
function toSeats(graph: Graph, value: Value, { rows }: Seats): Value {
  return gathered(graph, value, rows);
}

/** Shape [B, KV, G, H/KV, w] -> [N, KV, H/KV, w]. */
function toRows(graph: Graph, value: Value, { seats }: Seats): Value {
  return gathered(graph, value, seats);
}

/** What the leading axes of a value hold at each place. Shapes [..., H/KV, w], [..., axes] -> [..., H/KV, w]. */
function gathered(graph: Graph, value: Value, places: Value): Value {
  return graph.compute({
    op: 'GatherND',
    inputs: [value, places],
    dtype: value.dtype,
    shape: [...places.shape.slice(0, -1), ...value.shape.slice(-2)],
  });
}

function parts(values: readonly Value[]): readonly [Value, Value] {
  const [first, second] = values;
  if (first === undefined || second === undefined) throw new Error('A split has two parts.');
  return [first, second];
}
