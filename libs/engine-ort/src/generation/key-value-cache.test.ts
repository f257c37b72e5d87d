import { describe, expect, it } from '@jest/globals';
import { testConfig } from '../test-model.js';
import { KeyValueCache } from './key-value-cache.js';

const { keyValueHeads, headDim } = testConfig;
const heads = [...Array(keyValueHeads).keys()];
const channels = [...Array(headDim).keys()];

/** The memory of the values in a row of the second layer. Shape [KV, capacity, d]. */
function valuesOf(cache: KeyValueCache, row: number): Float32Array {
  const { data } = cache.layer(1, row, 1).values;
  if (data instanceof Float32Array) return data;
  throw new Error('The tensor is not float32.');
}

/** A number that tells row, head, position and channel apart. */
const mark = (row: number, head: number, position: number, channel: number) =>
  ((row * 10 + head) * 10 + position) * 100 + channel;

/** What a row is given to hold: the marks of its first `length` positions, by head. */
const marks = (row: number, length: number) =>
  heads.map((head) =>
    [...Array(length).keys()].flatMap((position) =>
      channels.map((channel) => mark(row, head, position, channel)),
    ),
  );

/** What a row holds of its first `length` positions, by head. */
const held = (cache: KeyValueCache, row: number, length: number) =>
  heads.map((head) => {
    const begin = head * cache.capacity * headDim;
    return [...valuesOf(cache, row).subarray(begin, begin + length * headDim)];
  });

/** Three rows that hold 2, 1 and 2 tokens. */
function filledCache(): KeyValueCache {
  const cache = new KeyValueCache(testConfig);
  cache.reserve(3, 2);
  cache.fit(2, []);
  lengths.forEach((length, row) => {
    marks(row, length).forEach((values, head) => {
      valuesOf(cache, row).set(values, head * cache.capacity * headDim);
    });
  });
  return cache;
}

const lengths = [2, 1, 2];

describe('KeyValueCache', () => {
  it('keeps what rows hold when they are given more room, and less', () => {
    const cache = filledCache();
    for (const capacity of [7, 3, 2, 40, 2]) {
      cache.fit(capacity, lengths);
      lengths.forEach((length, row) => {
        expect(held(cache, row, length)).toEqual(marks(row, length));
      });
    }
  });

  it('keeps what rows hold when memory for more is reserved', () => {
    const cache = filledCache();
    cache.reserve(9, 50);
    lengths.forEach((length, row) => {
      expect(held(cache, row, length)).toEqual(marks(row, length));
    });
  });

  it('copies a row to another', () => {
    const cache = filledCache();
    cache.copyRow(2, 0, 2);
    expect(held(cache, 0, 2)).toEqual(marks(2, 2));
    expect(held(cache, 1, 1)).toEqual(marks(1, 1));
  });

  it('appends to rows of different lengths', () => {
    const cache = filledCache();
    cache.fit(3, lengths);
    const added = Float32Array.from(
      lengths.flatMap((length, row) =>
        heads.flatMap((head) => channels.map((channel) => mark(row, head, length, channel))),
      ),
    );
    cache.append(1, lengths, added, added);
    lengths.forEach((length, row) => {
      expect(held(cache, row, length + 1)).toEqual(marks(row, length + 1));
    });
  });
});
