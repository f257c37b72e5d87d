import { layerSight, type ModelConfig } from '@backsight/engine';
import type { Graph, SegmentMemory } from '../graph/graph.js';
import { embed } from '../graph/ops/embed.js';
import { matmul } from '../graph/ops/matmul.js';
import { reshape } from '../graph/ops/reshape.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import { selectRows } from '../graph/ops/select-rows.js';
import type { Value } from '../graph/value.js';
import { attention } from './attention.js';
import { causalMask } from './causal-mask.js';
import { layer } from './layer.js';
import type { WeightValues } from './parameters.js';
import { declareRotaryTables } from './rotary-tables.js';

/** Names of the inputs that say what a forward pass reads. */
export const sequenceInputs = {
  /** Token ids, padded on the right with any id. Shape [B, T], int64. */
  ids: 'ids',
  /** Positions of B*T whose hidden states are wanted, each at most once. Shape [N], int64. */
  rows: 'rows',
} as const;

/** What a forward pass computes. */
export interface Forward {
  /** Rows of the embedding, before the first layer. Shape [B*T, D]. */
  readonly embedded: Value;
  /** Normalised, as the output projection reads them. Shape [N, D]. */
  readonly hidden: Value;
}

/** Adds the whole model up to its final hidden states at the wanted positions, and declares the inputs it reads. */
export function forward(
  graph: Graph,
  config: ModelConfig,
  weights: WeightValues,
  memory: SegmentMemory = 'kept',
): Forward {
  const ids = graph.input(sequenceInputs.ids, 'int64', ['B', 'T']);
  const rows = graph.input(sequenceInputs.rows, 'int64', ['N']);
  const tables = declareRotaryTables(graph, config);
  const masks = declareMasks(graph, config);
  const embedded = embed(graph, weights.embedding, reshape(graph, ids, ['B*T']));
  let stream = embedded;
  weights.layers.forEach((layerWeights, index) => {
    const keep = index === config.layers - 1 ? (value: Value) => selectRows(graph, value, rows) : undefined;
    const { window, rope } = layerSight(config, index);
    const attend = (qkv: Value) => attention(graph, config, qkv, tables(rope), masks(window));
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

/** Computes the masks of the model's layers once each, and returns that of a window. */
function declareMasks(graph: Graph, config: ModelConfig): (window: number | undefined) => Value {
  const windows = Array.from({ length: config.layers }, (_, index) => layerSight(config, index).window);
  const masks = graph.scope(
    'mask',
    () => new Map([...new Set(windows)].map((window) => [window, causalMask(graph, 'T', window)])),
  );
  return (window) => {
    const mask = masks.get(window);
    if (mask === undefined) throw new Error(`No layer has a window of ${String(window)}.`);
    return mask;
  };
}
