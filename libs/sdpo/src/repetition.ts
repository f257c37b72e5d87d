/** Repetition: how much of a text says again what it has said. Loops fill an answer long before its reward falls. */

/**
 * The share of a completion's n-grams that occurred before in it, in [0, 1); 0 for a completion shorter than n.
 *
 * Four tokens are long enough that ordinary prose scores low and short enough that a loop shows within a few words.
 */
export function repeatedShare(ids: readonly number[], n = 4): number {
  const grams = ids
    .slice(0, Math.max(0, ids.length - n + 1))
    .map((_, start) => ids.slice(start, start + n).join());
  return grams.length === 0 ? 0 : 1 - new Set(grams).size / grams.length;
}
