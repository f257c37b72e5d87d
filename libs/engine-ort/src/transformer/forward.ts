import { layerSight, type ModelConfig } from '@backsight/engine';
import type { Graph, SegmentMemory } from '../graph/graph.js';
import { embed } from '../graph/ops/embed.js';
import { matmul } from '../graph/ops/matmul.js';
import { concat } from '../graph/ops/parts.js';
import { reshape } from '../graph/ops/reshape.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import { selectRows } from '../graph/ops/select-rows.js';
import type { Value } from '../graph/value.js';
import { attention } from './attention.js';
import { attentionMasks, type AttentionMasks } from './attention-masks.js';
import { trunkBlocks } from './blocks.js';
import { layer } from './layer.js';
import type { WeightValues } from './parameters.js';
import { declareRotaryTables } from './rotary-tables.js';

/**
 * Names of the inputs that say what a forward pass reads: B trunks, which sequences have in common, and G branches of each.
 *
 * Its rows are M = B*P + B*G*T tokens, the trunks' first.
 */
export const sequenceInputs = {
  /** Token ids, padded on the right with any id. Shape [B, P], int64. */
  trunkIds: 'trunk_ids',
  /** Tokens of each trunk before padding. Shape [B, 1], int64. */
  trunkLengths: 'trunk_lengths',
  /** Token ids, padded on the right with any id. Shape [B, G, T], int64. */
  branchIds: 'branch_ids',
  /** Where each token of a trunk's branches stands in its sequence. Shape [B, T], int64. */
  branchPositions: 'branch_positions',
  /** Rows whose hidden states are wanted, each at most once. Shape [N], int64. */
  rows: 'rows',
} as const;

/** What a forward pass computes. */
export interface Forward {
  /** Rows of the embedding, before the first layer. Shape [M, D]. */
  readonly embedded: Value;
  /** Normalised, as the output projection reads them. Shape [N, D]. */
  readonly hidden: Value;
}

/** How trunks attend to themselves: in so many blocks of queries, or in one operator, which cannot be differentiated. */
export type TrunkAttention = number | 'fused';

/** How a forward pass is written. */
export interface ForwardOptions {
  /** What differentiation finds in memory of each layer. */
  readonly memory?: SegmentMemory;
  readonly trunk?: TrunkAttention;
}

/** Adds the whole model up to its final hidden states at the wanted positions, and declares the inputs it reads. */
export function forward(
  graph: Graph,
  config: ModelConfig,
  weights: WeightValues,
  { memory = 'kept', trunk = 1 }: ForwardOptions = {},
): Forward {
  const { branchPositions, trunkLengths, ids } = declareTokens(graph);
  const rows = graph.input(sequenceInputs.rows, 'int64', ['N']);
  const tables = declareRotaryTables(graph, config);
  const blocks = trunk === 'fused' ? undefined : trunkBlocks(graph, trunk);
  const masks = declareMasks(graph, config, { trunkLengths, branchPositions }, blocks ?? []);
  const embedded = embed(graph, weights.embedding, ids);
  let stream = embedded;
  weights.layers.forEach((layerWeights, index) => {
    const keep = index === config.layers - 1 ? (value: Value) => selectRows(graph, value, rows) : undefined;
    const { window, rope } = layerSight(config, index);
    const sight = { angles: tables(rope), branchPositions, masks: masks(window), window, blocks };
    const attend = (qkv: Value) => attention(graph, config, qkv, sight);
    const build = (input: Value) =>
      graph.scope(`layers.${index}`, () => layer(graph, config, layerWeights, input, attend, keep));
    stream = graph.segment(memory, stream, build);
  });
  return { embedded, hidden: rmsNorm(graph, stream, weights.norm, config.rmsNormEpsilon) };
}

/** Hidden states times the output projection. Shapes [N, D], [V, D] -> [N, V]. */
export function project(graph: Graph, hidden: Value, output: Value): Value {
  return matmul(graph, hidden, output, { transposeRight: true });
}

/** Declares what a pass reads of its tokens; `ids` are those of all rows. Shape [M], int64. */
function declareTokens(graph: Graph) {
  const trunkIds = graph.input(sequenceInputs.trunkIds, 'int64', ['B', 'P']);
  const trunkLengths = graph.input(sequenceInputs.trunkLengths, 'int64', ['B', 1]);
  const branchIds = graph.input(sequenceInputs.branchIds, 'int64', ['B', 'G', 'T']);
  const branchPositions = graph.input(sequenceInputs.branchPositions, 'int64', ['B', 'T']);
  const flat = [reshape(graph, trunkIds, ['B*P']), reshape(graph, branchIds, ['B*G*T'])];
  return { trunkLengths, branchPositions, ids: concat(graph, flat, 0) };
}

/** Computes the masks of the model's layers once each, and returns those of a window. */
function declareMasks(
  graph: Graph,
  config: ModelConfig,
  tokens: { readonly trunkLengths: Value; readonly branchPositions: Value },
  blocks: readonly string[],
): (window: number | undefined) => AttentionMasks {
  const windows = Array.from({ length: config.layers }, (_, index) => layerSight(config, index).window);
  const masks = graph.scope(
    'mask',
    () =>
      new Map([...new Set(windows)].map((window) => [window, attentionMasks(graph, tokens, window, blocks)])),
  );
  return (window) => {
    const found = masks.get(window);
    if (found === undefined) throw new Error(`No layer has a window of ${String(window)}.`);
    return found;
  };
}
