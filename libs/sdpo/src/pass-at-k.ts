/** pass@k: the chance that at least one of k answers is right. */

/**
 * The unbiased estimate of pass@k from n answers of which c are right: 1 - C(n-c, k) / C(n, k) (arXiv 2107.03374).
 *
 * Throws a RangeError unless 1 <= k <= n and 0 <= c <= n: fewer answers than k cannot tell.
 */
export function passAtK(n: number, c: number, k: number): number {
  if (!(Number.isInteger(k) && k >= 1 && k <= n)) {
    throw new RangeError(`pass@k needs 1 <= k <= n, got k ${k} of ${n} answers`);
  }
  if (!(c >= 0 && c <= n)) throw new RangeError(`of ${n} answers ${c} cannot be right`);
  // C(n-c, k) / C(n, k) is the chance to draw k wrong ones in a row.
  const allWrong = Array.from({ length: k }, (_, drawn) => Math.max(0, n - c - drawn) / (n - drawn));
  return 1 - allWrong.reduce((chance, factor) => chance * factor, 1);
}
