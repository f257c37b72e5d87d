/** Seeds by path: everything random in a run derives from its own. */
import { random, type Seed } from '@backsight/sdpo';

/** The seed of one thing in a run, named by a path: a whole number in [0, 2^32). */
export function seedOf(seed: Seed, ...path: readonly (string | number)[]): number {
  return random(seed, ...path).below(2 ** 32);
}
