import type { ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { causalAttention } from '../graph/ops/causal-attention.js';
import { matmul } from '../graph/ops/matmul.js';
import { concat, split } from '../graph/ops/parts.js';
import { reshape } from '../graph/ops/reshape.js';
import { rotary, type RotaryAngles } from '../graph/ops/rotary.js';
import { softmax } from '../graph/ops/softmax.js';
import { stretch } from '../graph/ops/stretch.js';
import { transpose } from '../graph/ops/transpose.js';
import { dimension, product, type Dimension, type Value } from '../graph/value.js';
import type { AttentionMasks } from './attention-masks.js';
import { cut, upTo } from './blocks.js';

/** What attention knows of its tokens beside their values. */
export interface AttentionSight {
  readonly angles: RotaryAngles;
  /** Positions of the branches' tokens in their sequences. Shape [B, T], int64. */
  readonly branchPositions: Value;
  readonly masks: AttentionMasks;
  /** Absent: all before. */
  readonly window: number | undefined;
  /** Symbols of the lengths of the blocks in which trunks attend to themselves; absent: they do in one operator. */
  readonly blocks: readonly string[] | undefined;
}

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
    sight.blocks === undefined
      ? fusedTrunk(graph, config, trunkRows, sight)
      : blockedTrunk(graph, config, trunkRows, sight, sight.blocks),
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

function blockedTrunk(
  graph: Graph,
  config: ModelConfig,
  rows: Value,
  sight: AttentionSight,
  blocks: readonly string[],
): Trunk {
  const trunk = heads(graph, config, rows, 'P', sight.angles);
  return { ...trunk, mixed: attendTrunk(graph, config, trunk, sight.masks, blocks) };
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
  trunk: Heads,
  masks: AttentionMasks,
  blocks: readonly string[],
): Value {
  const group = heads / keyValueHeads;
  const [queries, keys, values] = [trunk.queries, trunk.keys, trunk.values].map((value) =>
    cut(graph, value, 2, blocks),
  );
  if (queries === undefined || keys === undefined || values === undefined)
    throw new Error('There are three.');
  const mixed = blocks.map((block, i) => {
    const [own, mask] = [queries[i], masks.trunk[i]];
    if (own === undefined || mask === undefined) throw new Error(`There is no block ${block}.`);
    const seen = upTo(graph, keys, i, 2);
    const grouped = product(group, block);
    const stacked = reshape(graph, own, ['B', keyValueHeads, grouped, headDim]);
    const scores = matmul(graph, stacked, seen, { transposeRight: true, scale: scaleOf(headDim) });
    const length = dimension(seen, 2);
    const perHead = reshape(graph, scores, ['B', keyValueHeads, group, block, length]);
    const weights = softmax(graph, add(graph, perHead, mask));
    const stackedWeights = reshape(graph, weights, ['B', keyValueHeads, grouped, length]);
    const mixed = matmul(graph, stackedWeights, upTo(graph, values, i, 2));
    return reshape(graph, mixed, ['B', heads, block, headDim]);
  });
  return byRow(graph, upTo(graph, mixed, blocks.length - 1, 2), 'P', heads, headDim);
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
