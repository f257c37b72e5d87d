import { describe, expect, it } from '@jest/globals';
import { packTrees, paddedShape, treesOf } from './token-trees.js';

const sequence = (prompt: number, promptTokens: number, completionTokens: number) => ({
  promptIds: Array.from({ length: promptTokens }, () => prompt),
  completionIds: Array.from({ length: completionTokens }, () => 1),
});

describe('treesOf', () => {
  it('lets the sequences of a prompt share all of it but its last token', () => {
    const sequences = [sequence(5, 65, 3), sequence(6, 33, 4), sequence(5, 65, 8)];
    expect(treesOf(sequences, 1024)).toEqual([
      { items: [2, 0], trunk: 64, branch: 8 },
      { items: [1], trunk: 32, branch: 4 },
    ]);
  });

  it('gives unlike completions a trunk each where that is less than padding them', () => {
    const trees = treesOf([sequence(5, 9, 8), sequence(5, 9, 400), sequence(5, 9, 7)], 2048);
    expect(trees.map(({ items }) => items)).toEqual([[1], [0, 2]]);
    expect(treesOf([sequence(5, 1001, 8), sequence(5, 1001, 400)], 4096)).toHaveLength(1);
  });

  it('cuts what passes the budget into parts that do not', () => {
    const sequences = Array.from({ length: 8 }, () => sequence(5, 65, 128));
    const trees = treesOf(sequences, 600);
    expect(trees.map(({ items }) => items.length)).toEqual([4, 4]);
    expect(trees.flatMap(({ items }) => items)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(treesOf(sequences, 1)).toHaveLength(8);
  });
});

describe('packTrees', () => {
  const lengths = [3, 200, 17, 64, 64, 9, 130, 31, 5];
  const sequences = lengths.flatMap((length, i) => [
    sequence(i, length, 1 + ((7 * i) % 40)),
    sequence(i, length, 1 + ((11 * i) % 40)),
  ]);

  it.each([1, 100, 512, 100_000])('keeps every sequence once within %d tokens', (budget) => {
    const batches = packTrees(treesOf(sequences, budget), budget);
    const items = batches.flat().flatMap((tree) => tree.items);
    expect(items.sort((a, b) => a - b)).toEqual([...sequences.keys()]);
    for (const trees of batches) {
      const { trunk, branches, branch } = paddedShape(trees);
      const alone = trees.length === 1 && branches === 1;
      expect(alone || trees.length * (trunk + branches * branch) <= budget).toBe(true);
    }
  });

  it('puts trees of one shape together and keeps a small one out of a large shape', () => {
    const trees = treesOf(
      [sequence(1, 9, 8), sequence(2, 257, 8), sequence(3, 9, 8), sequence(4, 9, 8)],
      4096,
    );
    expect(packTrees(trees, 4096).map((batch) => batch.map(({ items }) => items[0]))).toEqual([
      [1],
      [0, 2, 3],
    ]);
  });
});
