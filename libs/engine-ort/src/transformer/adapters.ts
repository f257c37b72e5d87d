import {
  adaptedMatrices,
  adapterScale,
  adapterTable,
  type AdapterSettings,
  type AdapterTarget,
  type ModelConfig,
  type WeightSet,
} from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { matmul } from '../graph/ops/matmul.js';
import { concat } from '../graph/ops/parts.js';
import type { Value } from '../graph/value.js';
import { floatTensor, type Feeds } from '../session.js';

/** What an adapter adds to one of the matrices that a layer reads, some of which are several of the model's. */
export interface LowRank {
  /** The A of each targeted part, one below the other. Shape [rank * parts, in]. */
  readonly down: Value;
  /** The B of each targeted part, in its rows and columns; zero elsewhere. Shape [out, rank * parts]. */
  readonly up: Value;
  readonly scale: number;
}

/** What an adapter adds in one layer; absent where it targets nothing. */
export interface LayerAdapters {
  readonly qkv?: LowRank;
  readonly attentionOutput?: LowRank;
  readonly gate?: LowRank;
  readonly up?: LowRank;
  readonly down?: LowRank;
}

/** Declares the factors of an adapter as inputs of a graph, under their own names, and joins them per layer. */
export function declareAdapters(
  graph: Graph,
  config: ModelConfig,
  settings: AdapterSettings,
): readonly LayerAdapters[] {
  const values = new Map(
    [...adapterTable(config, settings)].map(([name, shape]) => [name, graph.input(name, 'float32', shape)]),
  );
  const matrices = new Map(adaptedMatrices(config, settings).map((matrix) => [matrix.weight, matrix]));
  const { hiddenSize, intermediateSize, heads, keyValueHeads, headDim } = config;
  const [queries, keys] = [heads * headDim, keyValueHeads * headDim];
  return Array.from({ length: config.layers }, (_, layer) => {
    const joined = (
      block: string,
      parts: readonly (readonly [AdapterTarget, number])[],
    ): LowRank | undefined => {
      const found = parts.map(([target, out]) => {
        const matrix = matrices.get(`model.layers.${layer}.${block}.${target}.weight`);
        return { out, down: matrix && values.get(matrix.down), up: matrix && values.get(matrix.up) };
      });
      return joinParts(graph, found, settings);
    };
    const [qkv, attentionOutput, gate, up, down] = [
      joined('self_attn', [
        ['q_proj', queries],
        ['k_proj', keys],
        ['v_proj', keys],
      ]),
      joined('self_attn', [['o_proj', hiddenSize]]),
      joined('mlp', [['gate_proj', intermediateSize]]),
      joined('mlp', [['up_proj', intermediateSize]]),
      joined('mlp', [['down_proj', hiddenSize]]),
    ];
    return {
      ...(qkv && { qkv }),
      ...(attentionOutput && { attentionOutput }),
      ...(gate && { gate }),
      ...(up && { up }),
      ...(down && { down }),
    };
  });
}

/** product + scale * (input A^T) B^T. Shapes [M, out], [M, in] -> [M, out]. */
export function addLowRank(graph: Graph, product: Value, input: Value, { down, up, scale }: LowRank): Value {
  const narrow = matmul(graph, input, down, { transposeRight: true });
  return add(graph, product, matmul(graph, narrow, up, { transposeRight: true, scale }));
}

/** Tensors over an adapter's factors, by their names. */
export function adapterFeeds(factors: WeightSet): Feeds {
  return Object.fromEntries(
    [...factors.tensors.values()].map(({ name, shape, values }) => [name, floatTensor(values, shape)]),
  );
}

interface Part {
  /** Rows of the part. */
  readonly out: number;
  /** Absent: not targeted. */
  readonly down: Value | undefined;
  readonly up: Value | undefined;
}

function joinParts(graph: Graph, parts: readonly Part[], settings: AdapterSettings): LowRank | undefined {
  const { rank } = settings;
  const downs = parts.flatMap(({ down }) => down ?? []);
  const [first, ...more] = downs;
  if (first === undefined) return undefined;
  const zeros = (rows: number, columns: number) =>
    graph.constant(new Float32Array(rows * columns), [rows, columns]);
  let before = 0;
  const rows = parts.map(({ out, up }) => {
    if (up === undefined) return zeros(out, rank * downs.length);
    const after = downs.length - before - 1;
    const row = [
      ...(before > 0 ? [zeros(out, rank * before)] : []),
      up,
      ...(after > 0 ? [zeros(out, rank * after)] : []),
    ];
    before += 1;
    return row.length === 1 ? up : concat(graph, row, 1);
  });
  const [only] = rows;
  return {
    down: more.length === 0 ? first : concat(graph, downs, 0),
    up: rows.length === 1 && only !== undefined ? only : concat(graph, rows, 0),
    scale: adapterScale(settings),
  };
}
