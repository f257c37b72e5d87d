import { describe, expect, it } from '@jest/globals';
import { type Grading, grade, gradings, type ScienceVerdict } from './grade.js';

const task = {
  options: ['1 V', '2 V', '3 V'].map((text, index) => ({ letter: 'ABC'.charAt(index), text })),
  answer: 'B',
};

describe('grade', () => {
  it.each<[string, Grading, ScienceVerdict]>([
    ['<answer>B</answer>', 'any-form', 'solved'],
    ['<answer>B</answer>', 'valid-form', 'solved'],
    ['<answer>A</answer>', 'any-form', 'choice'],
    ['<answer>A</answer>', 'valid-form', 'choice'],
    // The published reference compares the whole answer where a tag is missing.
    ['B', 'any-form', 'solved'],
    ['B', 'valid-form', 'format'],
    ['B</answer>', 'any-form', 'solved'],
    ['I say <answer>B', 'any-form', 'solved'],
    ['I say <answer>B', 'valid-form', 'format'],
    ['C', 'any-form', 'choice'],
    // Of several answers the last counts.
    ['<answer>A</answer> <answer>B</answer>', 'any-form', 'solved'],
    ['<answer>B</answer> <answer>A</answer>', 'any-form', 'choice'],
    ['<answer>A</answer> <answer>B</answer>', 'valid-form', 'format'],
    ['<answer>B: 2 V</answer>', 'any-form', 'format'],
    ['<answer>b</answer>', 'any-form', 'format'],
    ['<answer>D</answer>', 'any-form', 'format'],
    ['It is B.', 'any-form', 'format'],
    ['', 'any-form', 'format'],
  ])('finds of %j with %s: %s', (text, grading, verdict) => {
    expect(grade(task, text, { form: 'tags', grading }).verdict).toBe(verdict);
  });

  it.each<[string, ScienceVerdict]>([
    ['B', 'solved'],
    ['A', 'choice'],
    ['B: 2 V', 'format'],
    ['<answer>B</answer>', 'format'],
  ])('finds of %j, where a letter was asked for: %s', (text, verdict) => {
    for (const grading of gradings)
      expect(grade(task, text, { form: 'letter', grading }).verdict).toBe(verdict);
  });
});
