import { describe, expect, it } from '@jest/globals';
import { random, shuffled } from './random.js';

const draws = (count: number, stream: { unit(): number }) =>
  Array.from({ length: count }, () => stream.unit());

describe('random', () => {
  it('is a pure function of seed and path', () => {
    expect(draws(5, random(7, 'epoch', 1))).toEqual(draws(5, random(7, 'epoch', 1)));
  });
  it('keeps its numbers for ever, for recorded runs depend on them', () => {
    const stream = random(1, 'a');
    expect(Array.from({ length: 4 }, () => stream.below(1000))).toEqual([714, 581, 208, 893]);
  });
  it('differs between seeds, paths, and paths split otherwise', () => {
    const streams = [
      random(1, 'a'),
      random(2, 'a'),
      random(1, 'b'),
      random(1, 'a', 'b'),
      random(1, 'ab'),
      random(1),
    ];
    expect(new Set(streams.map((stream) => stream.unit())).size).toBe(streams.length);
  });
  it('takes seeds beyond 2^53', () => {
    expect(random(2n ** 60n, 'a').unit()).not.toBe(random(2n ** 60n + 1n, 'a').unit());
  });
  it('is uniform on [0, 1)', () => {
    const stream = random(3);
    const bins = Array.from({ length: 10 }, () => 0);
    for (const draw of draws(10_000, stream)) bins[Math.floor(10 * draw)]! += 1;
    // A chi-squared of 9 degrees of freedom is below 27.9 with probability 0.999.
    expect(bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(27.9);
  });
  it('is uniform across streams, not only along one', () => {
    const firsts = Array.from({ length: 4000 }, (_, path) => random(0, path).below(4));
    const counts = [0, 1, 2, 3].map((value) => firsts.filter((draw) => draw === value).length);
    // A chi-squared of 3 degrees of freedom is below 16.3 with probability 0.999.
    expect(counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(16.3);
  });
  it('draws whole numbers below the limit', () => {
    const stream = random(4);
    const dice = Array.from({ length: 300 }, () => stream.below(6));
    expect([...new Set(dice)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('shuffled', () => {
  it('keeps every item', () => {
    const items = [...Array(50).keys()];
    const order = shuffled(items, random(5));
    expect(order).not.toEqual(items);
    expect([...order].sort((a, b) => a - b)).toEqual(items);
  });
  it('makes each order equally likely', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed += 1) {
      const order = shuffled(['a', 'b', 'c'], random(seed)).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    const chi = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    // A chi-squared of 5 degrees of freedom is below 20.5 with probability 0.999.
    expect([counts.size, chi < 20.5]).toEqual([6, true]);
  });
});
