import type { ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { causalAttention } from '../graph/ops/causal-attention.js';
import { concat } from '../graph/ops/concat.js';
import { matmul } from '../graph/ops/matmul.js';
import { reshape } from '../graph/ops/reshape.js';
import { rotary, type RotaryAngles } from '../graph/ops/rotary.js';
import { softmax } from '../graph/ops/softmax.js';
import { split } from '../graph/ops/split.js';
import { stretch } from '../graph/ops/stretch.js';
import { transpose } from '../graph/ops/transpose.js';
import { product, type Dimension, type Value } from '../graph/value.js';
import type { AttentionMasks } from './attention-masks.js';

/** What attention knows of its tokens beside their values. */
export interface AttentionSight {
  readonly angles: RotaryAngles;
  /** Positions of the branches' tokens in their sequences. Shape [B, T], int64. */
  readonly branchPositions: Value;
  readonly masks: AttentionMasks;
  /** Absent: all before. */
  readonly window: number | undefined;
  /** How a trunk attends to itself: in one operator, which is faster and cannot be differentiated, or in several. */
  readonly trunk: TrunkAttention;
}

export type TrunkAttention = 'fused' | 'differentiable';

/**
 * Causal grouped-query attention over trunks and their branches, differentiable. Shapes [M, (H + 2 KV) d] -> [M, H d].
 *
 * The M = B*P + B*G*T rows are B trunks of P tokens, then G branches of T tokens for each: a trunk is what the sequences of
 * a group have in common, a branch what comes after it in one of them. A branch sees its trunk and itself, so a trunk is
 * computed once however many branches it has. Both are padded on the right. The queries that share a key are stacked as
 * rows of one product, so keys and values are never repeated.
 */
export function attention(graph: Graph, config: ModelConfig, qkv: Value, sight: AttentionSight): Value {
  const [trunkRows, branchRows] = split(graph, qkv, 0, ['B*P', 'B*G*T']);
  if (trunkRows === undefined || branchRows === undefined) throw new Error('A split has two parts.');
  const { angles, branchPositions } = sight;
  const trunk = graph.scope('trunk', () =>
    sight.trunk === 'fused'
      ? fusedTrunk(graph, config, trunkRows, sight)
      : differentiableTrunk(graph, config, trunkRows, sight),
  );
  const branches = graph.scope('branches', () =>
    heads(graph, config, branchRows, 'G*T', angles, branchPositions),
  );
  return concat(
    graph,
    [trunk.mixed, graph.scope('branches', () => attendBranches(graph, config, branches, trunk, sight.masks))],
    0,
  );
}

/** Turned keys, and values, by head. Shapes [B, KV, S, d]. */
interface Memory {
  readonly keys: Value;
  readonly values: Value;
}

/** With turned queries. Shape [B, H, S, d]. */
interface Heads extends Memory {
  readonly queries: Value;
}

/** What trunks see of themselves, and what their branches see of them. Shape [B*P, H d]. */
interface Trunk extends Memory {
  readonly mixed: Value;
}

function fusedTrunk(graph: Graph, config: ModelConfig, rows: Value, sight: AttentionSight): Trunk {
  const { angles, window } = sight;
  const { heads, keyValueHeads, headDim } = config;
  const sequences = { sequences: 'B', length: 'P', ...(window !== undefined && { window }) };
  return causalAttention(graph, rows, { heads, keyValueHeads, headDim, angles, ...sequences });
}

function differentiableTrunk(graph: Graph, config: ModelConfig, rows: Value, sight: AttentionSight): Trunk {
  const trunk = heads(graph, config, rows, 'P', sight.angles);
  return { ...trunk, mixed: attendTrunk(graph, config, trunk, sight.masks) };
}

function heads(
  graph: Graph,
  { heads, keyValueHeads, headDim }: ModelConfig,
  rows: Value,
  length: Dimension,
  angles: RotaryAngles,
  positions?: Value,
): Heads {
  const whole = reshape(graph, rows, ['B', length, heads + 2 * keyValueHeads, headDim]);
  const byHead = transpose(graph, whole, [0, 2, 1, 3]);
  const [turning, values] = split(graph, byHead, 1, [heads + keyValueHeads, keyValueHeads]);
  if (turning === undefined || values === undefined) throw new Error('A split has two parts.');
  // Branches of one trunk stand at the same positions, and turn together as if they were heads.
  const apart =
    positions && reshape(graph, turning, ['B', product(heads + keyValueHeads, 'G'), 'T', headDim]);
  const turned = apart
    ? reshape(graph, rotary(graph, apart, angles, positions), turning.shape)
    : rotary(graph, turning, angles);
  const [queries, keys] = split(graph, turned, 1, [heads, keyValueHeads]);
  if (queries === undefined || keys === undefined) throw new Error('A split has two parts.');
  return { queries, keys, values };
}

/** Shape [B*P, H d]. */
function attendTrunk(
  graph: Graph,
  { heads, keyValueHeads, headDim }: ModelConfig,
  { queries, keys, values }: Heads,
  masks: AttentionMasks,
): Value {
  const group = heads / keyValueHeads;
  const grouped = product(group, 'P');
  const stacked = reshape(graph, queries, ['B', keyValueHeads, grouped, headDim]);
  const scores = matmul(graph, stacked, keys, { transposeRight: true, scale: scaleOf(headDim) });
  const perHead = reshape(graph, scores, ['B', keyValueHeads, group, 'P', 'P']);
  const weights = softmax(graph, add(graph, perHead, masks.trunk));
  const mixed = matmul(graph, reshape(graph, weights, ['B', keyValueHeads, grouped, 'P']), values);
  return byRow(graph, mixed, 'P', heads, headDim);
}

/** Shape [B*G*T, H d]. */
function attendBranches(
  graph: Graph,
  { heads, keyValueHeads, headDim }: ModelConfig,
  branches: Heads,
  trunk: Memory,
  masks: AttentionMasks,
): Value {
  // A branch has its trunk's keys and values beside its own: they are few, and scores, which are many, stay in one piece.
  const withTrunk = (before: Value, own: Value) => {
    const perBranch = ['B', keyValueHeads, 1, 'G'] as const;
    const shared = reshape(graph, before, ['B', keyValueHeads, 1, 1, 'P', headDim]);
    return concat(
      graph,
      [
        stretch(graph, shared, [...perBranch, 'P', headDim]),
        reshape(graph, own, [...perBranch, 'T', headDim]),
      ],
      -2,
    );
  };
  const queries = reshape(graph, branches.queries, [
    'B',
    keyValueHeads,
    heads / keyValueHeads,
    'G',
    'T',
    headDim,
  ]);
  const keys = withTrunk(trunk.keys, branches.keys);
  const scores = matmul(graph, queries, keys, { transposeRight: true, scale: scaleOf(headDim) });
  const weights = softmax(graph, add(graph, scores, masks.branch));
  return byRow(
    graph,
    matmul(graph, weights, withTrunk(trunk.values, branches.values)),
    'G*T',
    heads,
    headDim,
  );
}

/** Shapes [B, KV, H/KV S, d] -> [B*S, H d]. */
function byRow(graph: Graph, mixed: Value, length: Dimension, heads: number, headDim: number): Value {
  const byPosition = transpose(graph, reshape(graph, mixed, ['B', heads, length, headDim]), [0, 2, 1, 3]);
  return reshape(graph, byPosition, [product('B', length), heads * headDim]);
}

function scaleOf(headDim: number): number {
  return 1 / Math.sqrt(headDim);
}
