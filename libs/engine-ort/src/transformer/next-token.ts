import type { Graph } from '../graph/graph.js';
import { drawBlock } from './draw-block.js';
import { multiply } from '../graph/ops/multiply.js';
import { softmax } from '../graph/ops/softmax.js';
import { dimension, type Value } from '../graph/value.js';
import { byRows, type Products } from './products.js';

/** Names of what the last part of generation reads and writes. */
export const nextTokens = {
  /** 1 / temperature of each row. Shape [N, 1]. */
  inverseTemperatures: 'inverse_temperatures',
  /** Shape [N, V]. */
  probabilities: 'probabilities',
  /** What draws each row's token. Shape [N, 1]. */
  uniforms: 'uniforms',
  /** The block of each row that holds the token. Shape [N, 1], int64. */
  block: 'block',
  /** The probability of all tokens before the block. Shape [N, 1]. */
  before: 'before',
  /** The probability of all tokens, which may miss 1 by rounding. Shape [N, 1]. */
  total: 'total',
  /** Shape [N, W]. */
  blockProbabilities: 'block_probabilities',
} as const;

/** What a graph tells of the next token: the whole distribution, or the block of it that a uniform draws from. */
export type NextTokenPart = 'whole' | 'block';

/** Writes the distribution of the token that follows each row, at the row's temperature, or a part. Shapes [N, D], [V, D]. */
export function nextToken(
  graph: Graph,
  hidden: Value,
  output: Value,
  products: Products = byRows,
  part: NextTokenPart = 'whole',
): void {
  const inverse = graph.input(nextTokens.inverseTemperatures, 'float32', [dimension(hidden, 0), 1]);
  // The hidden states are the smaller matrix to divide.
  const logits = products.linear(graph, multiply(graph, hidden, inverse), output);
  const probabilities = softmax(graph, logits);
  if (part === 'whole') {
    graph.output(nextTokens.probabilities, probabilities);
    return;
  }
  const uniforms = graph.input(nextTokens.uniforms, 'float32', [dimension(hidden, 0), 1]);
  const drawn = drawBlock(graph, probabilities, uniforms);
  graph.output(nextTokens.block, drawn.block);
  graph.output(nextTokens.before, drawn.before);
  graph.output(nextTokens.total, drawn.total);
  graph.output(nextTokens.blockProbabilities, drawn.probabilities);
}
