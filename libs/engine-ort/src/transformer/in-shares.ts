import type { Graph } from '../graph/graph.js';
import { after } from '../graph/ops/after.js';
import { joinRows, rowShares } from '../graph/ops/row-shares.js';
import { dimension, type Value } from '../graph/value.js';

/** Values by name whose first axis is N. */
export type RowValues = ReadonlyMap<string, Value>;

/** What is computed from one share of the rows. */
export interface ShareResult {
  /** By name, with one row per row of the share. */
  readonly rows: RowValues;
  /** What else must be there before the next share begins. */
  readonly sums: readonly Value[];
}

/**
 * Computes `build` from a share of the N rows at a time, one share after the other, and joins the rows that it returns.
 *
 * What `build` computes in between is in memory for one share only: so a matrix [N, V] never exists as a whole.
 */
export function inShares(
  graph: Graph,
  count: number,
  rows: RowValues,
  build: (row: (name: string) => Value) => ShareResult,
): RowValues {
  const cut = new Map(
    [...rows].map(([name, value]) => [name, count === 1 ? [value] : rowShares(graph, value, count, 'N')]),
  );
  const joined = new Map<string, Value[]>();
  let earlier: readonly Value[] = [];
  for (let share = 0; share < count; share++) {
    const result = build((name) => {
      const value = cut.get(name)?.[share];
      if (value === undefined) throw new Error(`There are no rows ${name}.`);
      // Columns are small; matrices are what the large values are computed from.
      return dimension(value, 1) === 1 ? value : after(graph, value, earlier);
    });
    for (const [name, value] of result.rows) joined.set(name, [...(joined.get(name) ?? []), value]);
    earlier = [...result.rows.values(), ...result.sums];
  }
  return new Map(
    [...joined].map(([name, values]) => {
      const [only] = values;
      return [name, count === 1 && only !== undefined ? only : joinRows(graph, values, 'N')];
    }),
  );
}
