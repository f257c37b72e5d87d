import { describe, expect, it } from '@jest/globals';
import { WeightSet, type TensorTable } from './weights.js';

const table: TensorTable = new Map([
  ['a', [2, 3]],
  ['b', []],
  ['c', [4]],
]);

describe('WeightSet', () => {
  it('lays tensors one after the other over one array', () => {
    const set = new WeightSet(
      table,
      Float32Array.from({ length: 11 }, (_, i) => i),
    );
    expect([...set.tensor('a').values]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...set.tensor('b').values]).toEqual([6]);
    expect([...set.tensor('c').values]).toEqual([7, 8, 9, 10]);
    set.tensor('c').values[0] = 70;
    expect(set.flat[7]).toBe(70);
  });

  it('clones without sharing memory, and copies back', () => {
    const set = new WeightSet(table);
    const copy = set.clone();
    copy.flat.fill(3);
    expect(set.flat.every((value) => value === 0)).toBe(true);
    expect(set.equals(copy)).toBe(false);
    set.copyFrom(copy);
    expect(set.equals(copy)).toBe(true);
  });

  it('compares bits: NaN equals itself, 0 differs from -0', () => {
    const fill = (value: number) => new WeightSet(table, new Float32Array(11).fill(value));
    expect(fill(NaN).equals(fill(NaN))).toBe(true);
    expect(fill(0).equals(fill(-0))).toBe(false);
    expect(fill(1).equals(new WeightSet(new Map([['all', [11]]]), new Float32Array(11).fill(1)))).toBe(false);
  });

  it('names a tensor it does not have, and refuses an array of another size', () => {
    expect(() => new WeightSet(table).tensor('z')).toThrow('"z"');
    expect(() => new WeightSet(table, new Float32Array(10))).toThrow('11 elements, the array 10');
    expect(() => {
      new WeightSet(table).copyFrom(new WeightSet(new Map([['a', [1]]])));
    }).toThrow('differ in size');
  });
});
