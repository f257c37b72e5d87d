import { describe, expect, it } from '@jest/globals';
import { outcomeFigures } from './outcome-figures.js';

describe('outcomeFigures', () => {
  it('takes the mean of numbers and of truths, and nothing else', () => {
    const told = { verdict: 'choice', passed_fraction: 0.25, form_valid: true, list: [1], none: null };
    expect(
      outcomeFigures([{ details: told }, { details: { ...told, passed_fraction: 0.75, form_valid: false } }]),
    ).toEqual({ passed_fraction: 0.5, form_valid: 0.5 });
  });

  it('takes it over the outcomes that tell it', () => {
    expect(outcomeFigures([{ details: { turns: 3 } }, { details: {} }, { details: undefined }])).toEqual({
      turns: 3,
    });
    expect(outcomeFigures([])).toEqual({});
  });

  it('leaves out what is not finite', () => {
    expect(outcomeFigures([{ details: { a: Number.NaN, b: Infinity } }])).toEqual({});
  });
});
