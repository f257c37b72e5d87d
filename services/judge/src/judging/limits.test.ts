import { describe, expect, it } from '@jest/globals';
import { completeLimits, defaultLimits, limitProblems, maxLimits, minLimits, wallFor } from './limits.js';

describe('completeLimits', () => {
  it('takes the defaults where nothing is asked', () => {
    expect(completeLimits({})).toEqual(defaultLimits);
  });

  it('lets the wall time follow from the CPU time unless it is asked for', () => {
    expect(completeLimits({ cpuMs: 5000 })).toEqual({ ...defaultLimits, cpuMs: 5000, wallMs: wallFor(5000) });
    expect(completeLimits({ cpuMs: 5000, wallMs: 6000 }).wallMs).toBe(6000);
    expect(wallFor(5000)).toBe(3 * 5000 + 2000);
  });
});

describe('limitProblems', () => {
  it('finds nothing wrong with the defaults, the smallest and the largest', () => {
    for (const limits of [defaultLimits, minLimits, maxLimits]) expect(limitProblems(limits)).toEqual([]);
  });

  it.each(['cpuMs', 'wallMs', 'memoryBytes', 'outputBytes', 'processes'] as const)(
    'names %s where it is out of range or no number',
    (limit) => {
      for (const value of [minLimits[limit] - 1, maxLimits[limit] + 1, NaN]) {
        const problem = `must be in [${minLimits[limit]}, ${maxLimits[limit]}], is ${value}`;
        expect(limitProblems({ ...defaultLimits, [limit]: value })).toEqual([{ limit, problem }]);
      }
    },
  );
});
