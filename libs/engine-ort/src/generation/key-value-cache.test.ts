import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../test-model.js';
import { KeyValueCache } from './key-value-cache.js';

const { keyValueHeads, headDim } = testConfig;

/** A token's keys, which tell row, head and position apart. Shape [rows, KV, d]. */
const token = (rows: number, position: number) =>
  Float32Array.from({ length: rows * keyValueHeads * headDim }, (_, i) => 1000 * position + i);

const floats = (data: unknown): Float32Array => {
  if (data instanceof Float32Array) return data;
  throw new Error('The tensor is not float32.');
};

/** What row `row` of `rows` holds of its first `length` tokens, by head. */
const read = (cache: KeyValueCache, row: number, length: number) => {
  const data = floats(cache.layer(1, row, 1).values.data);
  return Array.from({ length: keyValueHeads }, (_, head) =>
    Array.from(data.subarray(head * cache.capacity * headDim, (head * cache.capacity + length) * headDim)),
  );
};

/** The same, as it was appended by `token`. */
const appended = (row: number, positions: readonly number[]) =>
  Array.from({ length: keyValueHeads }, (_, head) =>
    positions.flatMap((position) =>
      Array.from({ length: headDim }, (_, i) => 1000 * position + (row * keyValueHeads + head) * headDim + i),
    ),
  );

function cacheOfThreeRows(): KeyValueCache {
  const cache = new KeyValueCache(testConfig);
  cache.reserve(3, 2);
  cache.fit(2, []);
  for (const position of [0, 1]) {
    const added = token(3, position);
    cache.append(1, [position, position, position], { keys: added, values: added });
  }
  return cache;
}

describe('KeyValueCache', () => {
  it('keeps what rows hold when they are given more room, and less', () => {
    const cache = cacheOfThreeRows();
    for (const capacity of [7, 3, 2, 40, 2]) {
      cache.fit(capacity, [2, 2, 2]);
      for (const row of [0, 1, 2]) expect(read(cache, row, 2)).toEqual(appended(row, [0, 1]));
    }
  });

  it('keeps what rows hold when memory for more is reserved', () => {
    const cache = cacheOfThreeRows();
    cache.reserve(9, 50);
    for (const row of [0, 1, 2]) expect(read(cache, row, 2)).toEqual(appended(row, [0, 1]));
  });

  it('copies a row to another', () => {
    const cache = cacheOfThreeRows();
    cache.copyRow(2, 0, 2);
    expect(read(cache, 0, 2)).toEqual(appended(2, [0, 1]));
    expect(read(cache, 1, 2)).toEqual(appended(1, [0, 1]));
  });

  it('appends to rows of different lengths', () => {
    const cache = cacheOfThreeRows();
    cache.fit(4, [2, 1, 2]);
    const added = token(3, 5);
    cache.append(1, [2, 1, 2], { keys: added, values: added });
    expect(read(cache, 0, 3)).toEqual(appended(0, [0, 1, 5]));
    expect(read(cache, 1, 2)).toEqual(appended(1, [0, 5]));
  });
});
