/** A seeded source of random choices, the same on every machine. */

import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';

export interface Random {
  /** A uniform integer in [0, bound). */
  below(bound: number): number;
  /** True with the given probability, in steps of a millionth. */
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** All items in a uniformly random order. */
  shuffle<T>(items: readonly T[]): readonly T[];
  /** Picks an index by its share of the sum of the shares. */
  weighted(shares: readonly number[]): number;
}

const million = 1_000_000;

/** @param seed A 32-bit integer; one seed, one sequence of choices. */
export function createRandom(seed: number): Random {
  const generator = mersenne(seed);
  const below = (bound: number): number => uniformInt(generator, 0, bound - 1);
  return {
    below,
    chance: (probability) => below(million) < probability * million,
    pick: (items) => at(items, below(items.length)),
    shuffle: (items) => {
      const order = [...items];
      for (let last = order.length - 1; last > 0; last -= 1) {
        const other = below(last + 1);
        const moved = at(order, last);
        order[last] = at(order, other);
        order[other] = moved;
      }
      return order;
    },
    weighted: (shares) => {
      const total = shares.reduce((sum, share) => sum + share, 0);
      let left = (below(million) / million) * total;
      const index = shares.findIndex((share) => (left -= share) < 0);
      return index < 0 ? shares.length - 1 : index;
    },
  };
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index} in a list of ${items.length}`);
  return item;
}
