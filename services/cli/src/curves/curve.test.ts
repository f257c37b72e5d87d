import { describe, expect, it } from '@jest/globals';
import { axisLabel, meanCurve, meanSpread, rangeOf } from './curve.js';

const curve = (...ys: readonly number[]) => ({
  name: 'a',
  mark: '#',
  points: ys.map((y, x) => ({ x, y, spread: 0 })),
});

describe('meanSpread', () => {
  it('is the mean with the sample standard deviation', () => {
    expect(meanSpread([1, 3])).toEqual({ mean: 2, spread: Math.sqrt(2) });
    expect(meanSpread([5])).toEqual({ mean: 5, spread: 0 });
    expect(meanSpread([]).mean).toBeNaN();
  });
});

describe('meanCurve', () => {
  it('is the mean of the runs that have a value there, in the order of x', () => {
    const long = [
      { x: 10, y: 1 },
      { x: 20, y: 4 },
    ];
    expect(meanCurve('a', '#', [long, [{ x: 10, y: 3 }], [{ x: 5, y: 0 }]]).points).toEqual([
      { x: 5, y: 0, spread: 0 },
      { x: 10, y: 2, spread: Math.sqrt(2) },
      { x: 20, y: 4, spread: 0 },
    ]);
  });
});

describe('rangeOf', () => {
  it.each([
    [[0.2, 0.9], 0, 1],
    [[0, 1], 0, 1],
    [[3, 17], 2, 18],
    [[-0.4, 0.1], -0.4, 0.1],
    [[120, 4_700], 0, 5_000],
    [[2, 2], 2, 2 + 1e-9],
    [[0], 0, 1],
  ])('of %j is %d to %d', (ys, low, high) => {
    const range = rangeOf([curve(...ys)]);
    expect(range.low).toBeCloseTo(low, 6);
    expect(range.high).toBeCloseTo(high, 6);
    expect(range.high).toBeGreaterThan(range.low);
  });

  it('holds bars', () => {
    const { low, high } = rangeOf([{ ...curve(2), points: [{ x: 0, y: 2, spread: 0.5 }] }]);
    expect(low).toBeCloseTo(1.4, 6);
    expect(high).toBeCloseTo(2.6, 6);
  });
});

describe('axisLabel', () => {
  it('has two decimals where they tell something', () => {
    expect([0, 0.25, 1, 2.5, 1234, -0.5].map(axisLabel)).toEqual([
      '0.00',
      '0.25',
      '1.00',
      '2.5',
      '1230',
      '-0.50',
    ]);
  });
});
