import { describe, expect, it } from '@jest/globals';
import { toDuration, toMs } from './duration.js';

describe('toDuration', () => {
  it.each([
    [0, { seconds: 0, nanos: 0 }],
    [1500.25, { seconds: 1, nanos: 500_250_000 }],
    [0.0004, { seconds: 0, nanos: 400 }],
    // Rounding must not give a second's worth of nanoseconds.
    [999.9999999, { seconds: 1, nanos: 0 }],
  ])('splits %d ms', (ms, duration) => {
    expect(toDuration(ms)).toEqual(duration);
  });
});

describe('toMs', () => {
  it('is the way back', () => {
    for (const ms of [0, 1, 999.5, 123_456.789]) expect(toMs(toDuration(ms))).toBeCloseTo(ms, 6);
    expect(toMs(undefined)).toBeUndefined();
  });
});
