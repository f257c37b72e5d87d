import { describe, expect, it } from '@jest/globals';
import { clockText } from './screen.js';

describe('clockText', () => {
  it.each([
    [undefined, '--:--'],
    [0, '00:00'],
    [59.4, '00:59'],
    [59.6, '01:00'],
    [119.7, '02:00'],
    [3600, '60:00'],
  ])('shows %p seconds as %s', (seconds, text) => {
    expect(clockText(seconds)).toBe(text);
  });
});
