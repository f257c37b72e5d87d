import { describe, expect, it } from '@jest/globals';
import { moveTowards } from './ema.js';

describe('moveTowards', () => {
  it('leaves the share (1 - rate)^n of the old teacher after n moves', () => {
    const teacher = Float32Array.of(1, -1);
    for (let n = 0; n < 10; n++) moveTowards(teacher, Float32Array.of(0, 0), 0.05);
    expect(teacher[0]).toBeCloseTo(0.95 ** 10, 6);
    expect(teacher[1]).toBeCloseTo(-(0.95 ** 10), 6);
  });

  it('copies the student exactly at rate 1 and holds still at rate 0', () => {
    const student = Float32Array.of(1e-30, 3e38);
    const teacher = Float32Array.of(1e30, -3e38);
    const before = teacher.slice();
    moveTowards(teacher, student, 0);
    expect(teacher).toEqual(before);
    moveTowards(teacher, student, 1);
    expect(teacher).toEqual(student);
  });

  it('refuses arrays of different sizes', () => {
    expect(() => {
      moveTowards(new Float32Array(1), new Float32Array(2), 0.5);
    }).toThrow('1 weights, the student 2');
  });
});
