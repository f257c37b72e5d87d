import type { ModelConfig } from '@backsight/engine';
import { floatTensor, type Feeds } from '../session.js';

/** Tensors over the keys and values of one layer. Shape [rows, KV, capacity, d]. */
export interface LayerCache {
  readonly keys: Feeds[string];
  readonly values: Feeds[string];
}

/**
 * Keys and values of sequences side by side, one row each.
 *
 * Per layer one array for keys and one for values. Shape [rows, KV, capacity, d]; what lies beyond a sequence's length is
 * stale. Memory that no row has reached yet is not resident, so there may be more of it than is needed.
 */
export class KeyValueCache {
  private readonly arrays: Float32Array[];
  private tokens = 0;

  constructor(private readonly config: ModelConfig) {
    this.arrays = Array.from({ length: 2 * config.layers }, () => new Float32Array(0));
  }

  /** Tokens that a row can hold. */
  get capacity(): number {
    return this.tokens;
  }

  /** Makes the arrays hold so many rows of so many tokens; what they hold stays. */
  reserve(rows: number, tokens: number): void {
    const size = rows * this.config.keyValueHeads * tokens * this.config.headDim;
    this.arrays.forEach((old, i) => {
      if (size <= old.length) return;
      const larger = new Float32Array(size);
      larger.set(old);
      this.arrays[i] = larger;
    });
  }

  /**
   * Gives up everything, memory included: what is stale is hidden by a low score and a weight of zero, which do not hide what is
   * not a number.
   */
  clear(): void {
    this.arrays.fill(new Float32Array(0));
    this.tokens = 0;
  }

  /** Lays the first rows out anew, in place, with room for `capacity` tokens each; of row i so many tokens stay. */
  fit(capacity: number, lengths: readonly number[]): void {
    this.reserve(lengths.length, capacity);
    const { keyValueHeads, headDim } = this.config;
    const [before, after] = [this.headSize, capacity * headDim];
    this.tokens = capacity;
    if (before === after) return;
    const heads = lengths.flatMap((length) => Array.from({ length: keyValueHeads }, () => length * headDim));
    const order = [...heads.keys()];
    // Nothing is written where it is still to be read.
    if (after > before) order.reverse();
    for (const array of this.arrays)
      for (const head of order)
        array.copyWithin(head * after, head * before, head * before + (heads[head] ?? 0));
  }

  /** The caches of a layer for rows `first` to `first + count - 1`, over this memory. */
  layer(index: number, first: number, count: number): LayerCache {
    const { keyValueHeads, headDim } = this.config;
    const rowSize = keyValueHeads * this.headSize;
    const shape = [count, keyValueHeads, this.tokens, headDim];
    const part = (array: Float32Array) =>
      floatTensor(array.subarray(first * rowSize, (first + count) * rowSize), shape);
    return { keys: part(this.array(2 * index)), values: part(this.array(2 * index + 1)) };
  }

  /** Copies the first `length` tokens of a row to another. */
  copyRow(from: number, to: number, length: number): void {
    const heads = this.config.keyValueHeads;
    const size = length * this.config.headDim;
    for (const array of this.arrays)
      for (let head = 0; head < heads; head++) {
        const begin = (from * heads + head) * this.headSize;
        array.copyWithin((to * heads + head) * this.headSize, begin, begin + size);
      }
  }

  /** Adds a token to each of the first rows, which hold so many. Shape of keys and values [rows, KV, d]. */
  append(layer: number, lengths: readonly number[], keys: Float32Array, values: Float32Array): void {
    this.appendTo(this.array(2 * layer), lengths, keys);
    this.appendTo(this.array(2 * layer + 1), lengths, values);
  }

  private appendTo(array: Float32Array, lengths: readonly number[], added: Float32Array): void {
    const { keyValueHeads, headDim } = this.config;
    const { headSize } = this;
    // A loop over plain numbers: it runs for every element that a step writes.
    for (let place = 0, source = 0; source < added.length; place++) {
      const length = lengths[Math.floor(place / keyValueHeads)] ?? 0;
      let target = place * headSize + length * headDim;
      for (const end = source + headDim; source < end; source++) array[target++] = added[source] ?? 0;
    }
  }

  /** Elements of one head of one row. */
  private get headSize(): number {
    return this.tokens * this.config.headDim;
  }

  private array(index: number): Float32Array {
    const array = this.arrays[index];
    if (array === undefined) throw new RangeError(`The cache has no array ${index}.`);
    return array;
  }
}
