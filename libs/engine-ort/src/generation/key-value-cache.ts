import type { ModelConfig } from '@backsight/engine';
import { cacheNames } from '../transformer/decoding-graph.js';
import { floatTensor, type Feeds } from '../session.js';

/**
 * Keys and values of sequences side by side, one row each, in memory that decoding reads and extends in place.
 *
 * Per layer one array for keys and one for values. Shape [rows, KV, capacity, d]; what lies beyond a sequence's length is stale.
 */
export class KeyValueCache {
  private readonly arrays: Float32Array[];
  private tokens: number;

  constructor(
    private readonly config: ModelConfig,
    readonly rows: number,
    capacity: number,
  ) {
    this.tokens = capacity;
    this.arrays = Array.from({ length: 2 * config.layers }, () => this.emptyArray());
  }

  /** Tokens that a row can hold. */
  get capacity(): number {
    return this.tokens;
  }

  /** Gives rows room for more tokens, one array after the other; the first rows keep so many tokens each. */
  grow(capacity: number, lengths: readonly number[]): void {
    const before = this.headSize;
    this.tokens = capacity;
    this.arrays.forEach((old, i) => {
      const grown = this.emptyArray();
      lengths.forEach((length, row) => {
        this.copyHeads(old, before, row, grown, row, length);
      });
      this.arrays[i] = grown;
    });
  }

  /** Past and present of the first `rows` rows, over one memory: what a run is fed and what it writes into. */
  feeds(rows: number): { readonly past: Feeds; readonly present: Feeds } {
    const shape = [rows, this.config.keyValueHeads, this.capacity, this.config.headDim];
    const size = rows * this.config.keyValueHeads * this.headSize;
    const past: Record<string, Feeds[string]> = {};
    const present: Record<string, Feeds[string]> = {};
    for (let layer = 0; layer < this.config.layers; layer++) {
      const names = cacheNames(layer);
      const keys = floatTensor(this.array(2 * layer).subarray(0, size), shape);
      const values = floatTensor(this.array(2 * layer + 1).subarray(0, size), shape);
      past[names.pastKeys] = present[names.keys] = keys;
      past[names.pastValues] = present[names.values] = values;
    }
    return { past, present };
  }

  /** Copies the first `length` tokens of a row of another cache of the same model, or of this one. */
  copyRow(source: KeyValueCache, from: number, to: number, length: number): void {
    this.arrays.forEach((target, i) => {
      this.copyHeads(source.array(i), source.headSize, from, target, to, length);
    });
  }

  private copyHeads(
    source: Float32Array,
    sourceHeadSize: number,
    from: number,
    target: Float32Array,
    to: number,
    length: number,
  ): void {
    const heads = this.config.keyValueHeads;
    const size = length * this.config.headDim;
    for (let head = 0; head < heads; head++) {
      const begin = (from * heads + head) * sourceHeadSize;
      target.set(source.subarray(begin, begin + size), (to * heads + head) * this.headSize);
    }
  }

  /** Elements of one head of one row. */
  private get headSize(): number {
    return this.tokens * this.config.headDim;
  }

  private emptyArray(): Float32Array {
    return new Float32Array(this.rows * this.config.keyValueHeads * this.headSize);
  }

  private array(index: number): Float32Array {
    const array = this.arrays[index];
    if (array === undefined) throw new RangeError(`The cache has no array ${index}.`);
    return array;
  }
}
