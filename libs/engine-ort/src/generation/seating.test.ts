import { describe, expect, it } from '@jest/globals';
import { seatRows, sightMask } from './seating.js';

describe('seatRows', () => {
  it('seats rows beside the others of their prompt, as many seats before each', () => {
    const { seatsPerPrompt, rowsOfSeats, seatsOfRows } = seatRows([2, 0, 2], 3);
    expect(seatsPerPrompt).toBe(2);
    expect(rowsOfSeats).toEqual([1, undefined, undefined, undefined, 0, 2]);
    expect(seatsOfRows).toEqual([
      [2, 0],
      [0, 0],
      [2, 1],
    ]);
  });
});

describe('sightMask', () => {
  const seating = seatRows([0, 0], 1);
  const lengths = [
    { prompt: 3, own: 0 },
    { prompt: 3, own: 2 },
  ];
  const seen = (window?: number) => {
    const mask = sightMask(seating, lengths, 4, 2, window);
    return [0, 1].map((seat) => Array.from(mask.subarray(seat * 7, (seat + 1) * 7), (x) => Number(x === 0)));
  };

  it('lets a row see its prompt, what it wrote and its new token', () => {
    expect(seen()).toEqual([
      [1, 1, 1, 0, 0, 0, 1],
      [1, 1, 1, 0, 1, 1, 1],
    ]);
  });

  it('hides what lies before the window', () => {
    expect(seen(4)).toEqual([
      [1, 1, 1, 0, 0, 0, 1],
      [0, 0, 1, 0, 1, 1, 1],
    ]);
    expect(seen(2)).toEqual([
      [0, 0, 1, 0, 0, 0, 1],
      [0, 0, 0, 0, 0, 1, 1],
    ]);
  });

  it('shows nothing to an empty seat', () => {
    const mask = sightMask(seatRows([0, 1, 1], 2), [...lengths, { prompt: 1, own: 0 }], 4, 2);
    expect(mask.subarray(7, 14).every((x) => x < -1e29)).toBe(true);
  });
});
