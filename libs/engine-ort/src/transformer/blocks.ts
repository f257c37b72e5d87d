import type { Graph } from '../graph/graph.js';
import { divide } from '../graph/ops/elementwise.js';
import { multiply } from '../graph/ops/multiply.js';
import { concat, split } from '../graph/ops/parts.js';
import { subtract } from '../graph/ops/subtract.js';
import type { Value } from '../graph/value.js';

/**
 * Symbols of the lengths of `count` blocks of trunks, which are as long as each other, or one token shorter, and may be empty.
 *
 * In causal attention all of a block's queries go with the keys up to its end alone: of n blocks' products, (n + 1) / 2n is left.
 */
export function trunkBlocks(graph: Graph, count: number): readonly string[] {
  if (count === 1) return ['P'];
  const whole = graph.length('P');
  const ends = Array.from({ length: count }, (_, i) =>
    i === count - 1
      ? whole
      : divide(graph, multiply(graph, whole, graph.integers(i + 1)), graph.integers(count)),
  );
  return ends.map((end, i) => {
    const symbol = `P.${i}`;
    const before = ends[i - 1];
    graph.define(symbol, before === undefined ? end : subtract(graph, end, before));
    return symbol;
  });
}

/** Cuts a value into blocks along one axis. */
export function cut(graph: Graph, value: Value, axis: number, blocks: readonly string[]): readonly Value[] {
  return blocks.length < 2 ? blocks.map(() => value) : split(graph, value, axis, blocks);
}

/** Joins the blocks up to one of them, itself included. */
export function upTo(graph: Graph, blocks: readonly Value[], last: number, axis: number): Value {
  const [first, ...more] = blocks.slice(0, last + 1);
  if (first === undefined) throw new RangeError('There are no blocks.');
  return more.length === 0 ? first : concat(graph, [first, ...more], axis);
}
