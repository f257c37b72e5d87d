/**
 * Seeded randomness: a stream of numbers that is a pure function of a seed and a path of names.
 *
 * Every random choice of a run asks for its own stream, such as `random(seed, 'demonstration', rolloutId)`, instead of drawing
 * from a shared one: so no choice depends on which came before it, and a resumed run makes the choices it would have made.
 */

/** A stream of random numbers. */
export interface Random {
  /** A number in [0, 1), a multiple of 2^-32. */
  unit(): number;
  /** A whole number in [0, limit), each equally likely. `limit` is in [1, 2^32]. */
  below(limit: number): number;
}

/** Anything that can seed a run. */
export type Seed = number | bigint;

/** The stream of a seed and a path. Xoshiro128** (Blackman and Vigna), its state hashed from the path. */
export function random(seed: Seed, ...path: readonly (string | number)[]): Random {
  const name = [seed, ...path].join('\u0000');
  let [a, b, c, d] = [hash(name, 1), hash(name, 2), hash(name, 3), hash(name, 4)];
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  return {
    unit: () => next() / span,
    below: (limit) => {
      // Draws above the last whole multiple of the limit would favour small numbers: draw again.
      const fair = span - (span % limit);
      let draw = next();
      while (draw >= fair) draw = next();
      return draw % limit;
    },
  };
}

/** The items in random order: each draws a lot, and they line up by it. */
export function shuffled<T>(items: readonly T[], stream: Random): readonly T[] {
  return items
    .map((item) => ({ item, lot: stream.unit() }))
    .sort((a, b) => a.lot - b.lot)
    .map(({ item }) => item);
}

const span = 2 ** 32;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** A 32-bit hash of the text (FNV-1a, finished as in MurmurHash3), different for each salt. */
function hash(text: string, salt: number): number {
  let state = Math.imul(salt, 0x9e3779b1) ^ 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193);
  }
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
