import { describe, expect, it } from '@jest/globals';
import { kindOf, kinds, meanings, orders, words } from './world.js';

describe('words', () => {
  it('are six a kind and belong to one kind each', () => {
    expect(kinds.map((kind) => words[kind].length)).toEqual([6, 6, 6, 6]);
    expect(kindOf.size).toBe(24);
  });
});

describe('meanings', () => {
  it('are eight different ones a kind', () => {
    for (const kind of kinds)
      expect(new Set(meanings[kind].map((meaning) => JSON.stringify(meaning))).size).toBe(8);
  });
});

describe('orders', () => {
  const all = Object.entries(orders).flatMap(([verbs, list]) =>
    list.map((order) => ({ verbs: Number(verbs), order })),
  );

  it.each(all)('$order changes values at most once, after every filter', ({ verbs, order }) => {
    const changes = order.filter((kind) => kind === 'shift' || kind === 'scale');
    expect(order).toHaveLength(verbs);
    expect(new Set(order).size).toBe(verbs);
    expect(changes.length).toBeLessThanOrEqual(1);
    if (changes.length === 1 && order.includes('filter')) {
      expect(order.indexOf('filter')).toBeLessThan(order.indexOf(changes[0]!));
    }
  });
});
