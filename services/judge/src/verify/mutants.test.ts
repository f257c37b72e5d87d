import { describe, expect, it } from '@jest/globals';
import { mutantsOf } from './mutants.js';

const source =
  'def f(x):\n    """Adds 1 < 2."""\n    if x >= 10 and x != 3:  # x + 1\n        return x + 1\n    return "a + b"\n';

describe('mutantsOf', () => {
  const mutants = mutantsOf(source, 100, 0);

  it('changes one thing each, and nothing in strings and comments', () => {
    for (const change of [
      'x < 10',
      'x >= 11',
      '10 or x',
      'x == 3',
      'x != 4',
      'return x - 1',
      'return x + 2',
      'return None',
    ]) {
      expect(mutants.filter((mutant) => mutant.includes(change))).not.toEqual([]);
    }
    for (const mutant of mutants) {
      expect(mutant).toContain('"""Adds 1 < 2."""');
      expect(mutant).toContain('# x + 1');
      expect(mutant).not.toBe(source);
    }
    expect(new Set(mutants).size).toBe(mutants.length);
  });

  it('keeps to the count, in the order of the seed, a lost return value last', () => {
    expect(mutantsOf(source, 3, 0)).toHaveLength(3);
    expect(mutantsOf(source, 100, 0)).toEqual(mutants);
    expect(mutants.at(-1)).toContain('return None');
    expect(mutantsOf('pass\n', 5, 0)).toEqual([]);
  });
});
