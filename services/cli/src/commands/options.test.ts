import { describe, expect, it } from '@jest/globals';
import { decimal, integer } from './options.js';

describe('integer', () => {
  it('reads whole numbers of its range', () => {
    expect(['1', '16', '1e1'].map(integer(1, 16))).toEqual([1, 16, 10]);
  });

  it.each(['', ' ', '0', '17', '1.5', 'x', '3 4'])('refuses %j', (text) => {
    expect(() => integer(1, 16)(text)).toThrow(`"${text}" is not a whole number from 1 to 16.`);
  });

  it('takes nothing for no number, even where 0 is allowed', () => {
    expect(() => integer(0, 16)('')).toThrow('"" is not a whole number from 0 to 16.');
  });
});

describe('decimal', () => {
  it('reads numbers of its range', () => {
    expect(['0', '0.5', '1e-3'].map(decimal(0, 1))).toEqual([0, 0.5, 0.001]);
  });

  it.each(['', ' ', '-1', '2', 'NaN', 'Infinity', 'x'])('refuses %j', (text) => {
    expect(() => decimal(0, 1)(text)).toThrow(`"${text}" is not a number from 0 to 1.`);
  });
});
