import { widenBfloat16, widenFloat16 } from '../half-floats.js';

/** How GGML codes numbers: blocks of equal size along the innermost axis. */
export interface BlockFormat {
  readonly name: string;
  /** Numbers in one block. */
  readonly blockElements: number;
  readonly blockBytes: number;
  /** Decodes whole blocks. `target` has as many numbers as `source` codes. */
  readonly decode: (source: Uint8Array, target: Float32Array) => void;
}

/** The formats that are read, by their GGML type number. */
export const blockFormats: ReadonlyMap<number, BlockFormat> = new Map([
  [0, { name: 'F32', blockElements: 1, blockBytes: 4, decode: decodeFloat32 }],
  [1, { name: 'F16', blockElements: 1, blockBytes: 2, decode: decodeHalves(widenFloat16) }],
  [30, { name: 'BF16', blockElements: 1, blockBytes: 2, decode: decodeHalves(widenBfloat16) }],
  [2, { name: 'Q4_0', blockElements: 32, blockBytes: 18, decode: decodeQ4_0 }],
  [3, { name: 'Q4_1', blockElements: 32, blockBytes: 20, decode: decodeQ4_1 }],
  [8, { name: 'Q8_0', blockElements: 32, blockBytes: 34, decode: decodeQ8_0 }],
]);

function decodeFloat32(source: Uint8Array, target: Float32Array): void {
  new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(source);
}

function decodeHalves(widen: (source: Uint16Array, target: Float32Array) => void) {
  return (source: Uint8Array, target: Float32Array): void => {
    const halves = new Uint16Array(source.length / 2);
    new Uint8Array(halves.buffer).set(source);
    widen(halves, target);
  };
}

/** A scale, then 32 numbers of 4 bits less 8: the low halves of 16 bytes, then the high ones. */
function decodeQ4_0(source: Uint8Array, target: Float32Array): void {
  eachBlock(source, 18, (block, begin) => {
    const scale = half(block, 0);
    for (let i = 0; i < 16; i++) {
      const both = block[2 + i] ?? 0;
      target[begin + i] = scale * ((both & 15) - 8);
      target[begin + i + 16] = scale * ((both >> 4) - 8);
    }
  });
}

/** A scale and a least value, then 32 numbers of 4 bits as in Q4_0. */
function decodeQ4_1(source: Uint8Array, target: Float32Array): void {
  eachBlock(source, 20, (block, begin) => {
    const [scale, least] = [half(block, 0), half(block, 2)];
    for (let i = 0; i < 16; i++) {
      const both = block[4 + i] ?? 0;
      target[begin + i] = scale * (both & 15) + least;
      target[begin + i + 16] = scale * (both >> 4) + least;
    }
  });
}

/** A scale, then 32 signed bytes. */
function decodeQ8_0(source: Uint8Array, target: Float32Array): void {
  eachBlock(source, 34, (block, begin) => {
    const scale = half(block, 0);
    for (let i = 0; i < 32; i++) target[begin + i] = scale * (((block[2 + i] ?? 0) << 24) >> 24);
  });
}

/** Visits blocks of 32 numbers with the index of their first number. */
function eachBlock(
  source: Uint8Array,
  blockBytes: number,
  visit: (block: Uint8Array, begin: number) => void,
): void {
  for (let block = 0; block * blockBytes < source.length; block++)
    visit(source.subarray(block * blockBytes, (block + 1) * blockBytes), 32 * block);
}

function half(block: Uint8Array, at: number): number {
  oneHalf[0] = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
  widenFloat16(oneHalf, oneFloat);
  return oneFloat[0] ?? 0;
}

const oneHalf = new Uint16Array(1);
const oneFloat = new Float32Array(1);
