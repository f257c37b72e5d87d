import { describe, expect, it } from '@jest/globals';
import { told } from './probe.js';

describe('told', () => {
  it.each([
    ['that hindsight helps, and by how much', 0.25, 0.5, 'Hindsight helps this policy here, by 0.250: '],
    ['that hindsight does not help', 0.25, 0.25, 'Hindsight does not help this policy here: '],
    ['that there is nothing to learn', 1, 1, 'This policy solves every task here as it is: '],
  ])('says %s', (_what, studentPassRate, teacherPassRate, words) => {
    const lines = told({ studentPassRate, teacherPassRate, hindsightFraction: 0.5 }).split('\n');
    expect(lines).toEqual([
      `plain attempts      pass@1 ${studentPassRate.toFixed(3)}`,
      expect.stringMatching(/there is hindsight for 50 % of the attempts$/),
      expect.stringMatching(words),
    ]);
  });
});
