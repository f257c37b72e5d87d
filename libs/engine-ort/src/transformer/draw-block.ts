import type { Graph } from '../graph/graph.js';
import { int } from '../graph/node.js';
import { both, less, lessOrEqual } from '../graph/ops/elementwise.js';
import { multiply } from '../graph/ops/multiply.js';
import { reduceSum } from '../graph/ops/reduce-sum.js';
import { reshape } from '../graph/ops/reshape.js';
import { dimension, staticDimension, type Value } from '../graph/value.js';

/** Tokens of a block: the largest divisor of the vocabulary up to 512; absent: that is so small that blocks save nothing. */
export function blockWidth(vocabularySize: number): number | undefined {
  for (let width = largestBlock; width >= smallestBlock; width--)
    if (vocabularySize % width === 0 && width < vocabularySize) return width;
  return undefined;
}

/**
 * Of each row's distribution, the block of tokens in whose stretch of the running sum the row's uniform lies, as a share of the
 * whole sum; a block of no probability is never drawn. Only run forward.
 *
 * Shapes: probabilities [N, V], uniforms [N, 1] -> the block's index [N, 1], the probability of all before it [N, 1] and of all
 * [N, 1], its own [N, W].
 */
export function drawBlock(graph: Graph, probabilities: Value, uniforms: Value) {
  const vocabularySize = staticDimension(probabilities, 1);
  const width = blockWidth(vocabularySize);
  if (width === undefined) throw new RangeError(`A vocabulary of ${vocabularySize} has no blocks.`);
  const [rows, count] = [dimension(probabilities, 0), vocabularySize / width];
  const blocks = reshape(graph, probabilities, [rows, count, width]);
  const sums = reshape(graph, reduceSum(graph, blocks, [-1]), [rows, count]);
  const running = graph.compute({
    op: 'CumSum',
    inputs: [sums, graph.constant(BigInt64Array.of(1n), [])],
    dtype: 'float32',
    shape: [rows, count],
  });
  const total = graph.compute({
    op: 'Gather',
    inputs: [running, graph.integers(count - 1)],
    attributes: { axis: int(1) },
    dtype: 'float32',
    shape: [rows, 1],
  });
  const target = multiply(graph, uniforms, total);
  // A block is passed if the target is beyond its stretch and something is left after it.
  const passed = cast(
    graph,
    both(graph, lessOrEqual(graph, running, target), less(graph, running, total)),
    'float32',
  );
  const block = cast(graph, reduceSum(graph, passed, [-1]), 'int64');
  return {
    block,
    total,
    before: reduceSum(graph, multiply(graph, passed, sums), [-1]),
    probabilities: graph.compute({
      op: 'GatherND',
      inputs: [blocks, block],
      attributes: { batch_dims: int(1) },
      dtype: 'float32',
      shape: [rows, width],
    }),
  };
}

function cast(graph: Graph, value: Value, dtype: keyof typeof onnxTypes): Value {
  const { shape } = value;
  return graph.compute({
    op: 'Cast',
    inputs: [value],
    attributes: { to: int(onnxTypes[dtype]) },
    dtype,
    shape,
  });
}

/** TensorProto.DataType. */
const onnxTypes = { float32: 1, int64: 7 } as const;

const smallestBlock = 16;
const largestBlock = 512;
