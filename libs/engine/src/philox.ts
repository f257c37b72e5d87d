/**
 * Philox4x32-10, a counter-based generator: every number is a function of a key and a counter, so that draws need no order.
 *
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export function philox(
  key: readonly [number, number],
  counter: readonly [number, number, number, number],
): readonly [number, number, number, number] {
  let [k0, k1] = [key[0] | 0, key[1] | 0];
  let [c0, c1, c2, c3] = [counter[0] | 0, counter[1] | 0, counter[2] | 0, counter[3] | 0];
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = imul(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The two 32-bit words of a seed, a whole number in [0, 2^53). */
export function seedKey(seed: number): readonly [number, number] {
  return [(seed % 2 ** 32) | 0, floor(seed / 2 ** 32) | 0];
}

/** Two words as a number in [0, 1) with 53 random bits. */
export function toUniform(high: number, low: number): number {
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) * 2 ** -53;
}

/** The upper 32 bits of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carry = (middle & 0xffff) + a0 * b1;
  return (a1 * b1 + floor(middle / 2 ** 16) + floor(carry / 2 ** 16)) | 0;
}

/** Bound once: these run hundreds of thousands of times in a row. */
const { imul, floor } = Math;
