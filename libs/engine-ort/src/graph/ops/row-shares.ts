import type { Graph } from '../graph.js';
import { int } from '../node.js';
import type { Value } from '../value.js';

/**
 * Cuts a value along its first axis into `count` shares of equal length, the last one shorter; only run forward.
 *
 * There must be at least `count` squared rows, so that no share is empty. Share i has the symbol `name.i` for its length.
 */
export function rowShares(graph: Graph, value: Value, count: number, name: string): readonly Value[] {
  return graph.add({
    op: 'Split',
    inputs: [value],
    attributes: { axis: int(0), num_outputs: int(count) },
    outputs: Array.from({ length: count }, (_, i) => ({
      dtype: value.dtype,
      shape: [`${name}.${i}`, ...value.shape.slice(1)],
    })),
  });
}

/** Joins shares along their first axis, whose length is then `name`; only run forward. */
export function joinRows(graph: Graph, shares: readonly Value[], name: string): Value {
  const [first] = shares;
  if (first === undefined) throw new RangeError('There is nothing to join.');
  return graph.compute({
    op: 'Concat',
    inputs: shares,
    attributes: { axis: int(0) },
    dtype: first.dtype,
    shape: [name, ...first.shape.slice(1)],
  });
}
