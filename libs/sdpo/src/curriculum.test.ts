import { describe, expect, it } from '@jest/globals';
import { curriculumProblems, tasksOfStep } from './curriculum.js';

const tasks = Array.from({ length: 11 }, (_, index) => `task ${index}`);
const curriculum = { tasksPerStep: 3, order: 'shuffled', seed: 7 } as const;
const step = (number: number, seed = 7) => tasksOfStep(tasks, { ...curriculum, seed }, number);

describe('tasksOfStep', () => {
  it('is a pure function of seed and step, so that a resumed run goes on as it would have', () => {
    const run = [1, 2, 3, 4, 5, 6, 7].map((number) => step(number));
    const resumed = [5, 6, 7].map((number) => step(number));
    expect(resumed).toEqual(run.slice(4));
  });
  it('poses no task twice in an epoch', () => {
    const epoch = [1, 2, 3].flatMap((number) => step(number).taskIds);
    expect(new Set(epoch).size).toBe(9);
  });
  it('counts epochs of whole steps from 1', () => {
    expect([1, 3, 4, 6, 7].map((number) => step(number).epoch)).toEqual([1, 1, 2, 2, 3]);
  });
  it('orders each epoch anew, so that no task waits for ever', () => {
    expect(step(1).taskIds).not.toEqual(step(4).taskIds);
    const posed = Array.from({ length: 60 }, (_, index) => step(index + 1).taskIds).flat();
    expect(new Set(posed)).toEqual(new Set(tasks));
  });
  it('differs between seeds', () => {
    expect(step(1, 1).taskIds).not.toEqual(step(1, 2).taskIds);
  });
  it('keeps the listed order when told to', () => {
    const listed = { ...curriculum, order: 'listed' } as const;
    expect(tasksOfStep(tasks, listed, 2).taskIds).toEqual(['task 3', 'task 4', 'task 5']);
    expect(tasksOfStep(tasks, listed, 4).taskIds).toEqual(['task 0', 'task 1', 'task 2']);
  });
  it('refuses a step that needs more tasks than there are', () => {
    expect(() => tasksOfStep(['a'], curriculum, 1)).toThrow('tasksPerStep is 3, but there are only 1 tasks');
  });
  it.each([0, -1, 1.5, Number.NaN])('refuses step %d', (number) => {
    expect(() => step(number)).toThrow(RangeError);
  });
});

describe('curriculumProblems', () => {
  it('finds nothing wrong with as many tasks as a step poses', () => {
    expect(curriculumProblems(curriculum, 3)).toEqual([]);
  });
  it('names a step that is too large for its tasks', () => {
    expect(curriculumProblems(curriculum, 2)).toEqual([
      { field: 'tasksPerStep', problem: 'must be a whole number at least 1 and at most 2, is 3' },
    ]);
  });
});
