/** Converts between float32 and the two 16-bit float formats. */

/** Writes bfloat16 bit patterns into `target` as float32. */
export function widenBfloat16(source: Uint16Array, target: Float32Array): void {
  const bits = bitsOf(target);
  for (let i = 0; i < source.length; i++) bits[i] = (source[i] ?? 0) << 16;
}

/** Writes IEEE half-precision bit patterns into `target` as float32. */
export function widenFloat16(source: Uint16Array, target: Float32Array): void {
  const bits = bitsOf(target);
  for (let i = 0; i < source.length; i++) {
    const half = source[i] ?? 0;
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    if (exponent === 0) {
      // Zero and subnormals: mantissa * 2^-24.
      target[i] = mantissa * 2 ** -24 * (sign === 0 ? 1 : -1);
    } else {
      // Infinity and NaN keep an all-ones exponent; the rest move from bias 15 to bias 127.
      bits[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (mantissa << 13);
    }
  }
}

/** Writes float32 as bfloat16 bit patterns, rounded to nearest, ties to even; not-a-numbers stay so. */
export function narrowToBfloat16(source: Float32Array, target: Uint16Array): void {
  const bits = bitsOf(source);
  for (let i = 0; i < bits.length; i++) {
    const bit = bits[i] ?? 0;
    const isNaN = (bit & 0x7fffffff) > 0x7f800000;
    target[i] = isNaN ? (bit >>> 16) | 0x40 : (bit + 0x7fff + ((bit >>> 16) & 1)) >>> 16;
  }
}

function bitsOf(target: Float32Array): Uint32Array {
  return new Uint32Array(target.buffer, target.byteOffset, target.length);
}
