import { describe, expect, it } from '@jest/globals';
import { FeedbackKind } from '@backsight/environment';
import { type AnswerForm, answerForms } from './answer.js';
import { feedbackOn, type Reveal } from './feedback.js';
import { gradings, grade, type Grading } from './grade.js';

const options = ['50 pC', '56 pC', '60 pC', '64 pC'].map((text, index) => ({
  letter: 'ABCD'.charAt(index),
  text,
}));
const task = { options, answer: 'B' };
const wanted = 'write <answer>, then one of A, B, C, D, then </answer>';

function remarks(
  text: string,
  {
    of = task,
    truncated = false,
    reveal = 'hints',
    grading = 'any-form',
    form = 'tags',
    seed = 0,
  }: Partial<Circumstances> = {},
) {
  return feedbackOn({ grade: grade(of, text, { form, grading }), truncated, seed }, of, { form, reveal });
}

interface Circumstances {
  readonly of: typeof task;
  readonly truncated: boolean;
  readonly reveal: Reveal;
  readonly grading: Grading;
  readonly form: AnswerForm;
  readonly seed: number;
}

const texts = (...args: Parameters<typeof remarks>) => remarks(...args).map(({ text }) => text);

describe('feedbackOn', () => {
  it.each<[string, string, readonly string[]]>([
    ['nothing on the right option in the right form', '<answer>B</answer>', []],
    ['a missing tag', 'It is B.', [`There is no answer tag: ${wanted}.`]],
    ['a missing tag on the right letter, too', 'B', [`There is no answer tag: ${wanted}.`]],
    ['a missing tag and a wrong choice', 'C', [`There is no answer tag: ${wanted}.`, 'Option C is wrong.']],
    ['a tag that is only closed', 'B</answer>', [`The answer tag is closed, but nowhere opened: ${wanted}.`]],
    ['a tag that is not closed', '<answer>B', [`The answer tag is not closed: ${wanted}.`]],
    [
      'several tags',
      '<answer>A</answer><answer>D</answer>',
      [
        `There are several answer tags, of which the last counts: ${wanted}, and that once.`,
        'Option D is wrong.',
      ],
    ],
    ['empty tags', '<answer>\n</answer>', [`There is nothing between the answer tags: ${wanted}.`]],
    [
      'text in place of a letter',
      `<answer>B: "56" ${'p'.repeat(60)}</answer>`,
      [
        `Between the answer tags stands "B: \\"56\\" ${'p'.repeat(49)}...", where a letter alone belongs: one of A, B, C, D.`,
      ],
    ],
    [
      'a letter that is not offered',
      '<answer>E</answer>',
      ['Between the answer tags stands E, which is not offered: the options are A, B, C, D.'],
    ],
    ['a wrong choice', '<answer>A</answer>', ['Option A is wrong.']],
  ])('tells of %s', (_name, text, expected) => {
    expect(texts(text)).toEqual(expected);
  });

  it('says first that an answer was cut off, unless it was right and complete before that', () => {
    expect(remarks('<answer', { truncated: true }).map(({ kind }) => kind)).toEqual([
      FeedbackKind.TRUNCATION,
      FeedbackKind.FORMAT,
    ]);
    expect(remarks('<answer>C</answer> or', { truncated: true }).map(({ kind }) => kind)).toEqual([
      FeedbackKind.TRUNCATION,
      FeedbackKind.ENVIRONMENT,
    ]);
    expect(texts('<answer>B</answer> or', { truncated: true })).toEqual([]);
  });

  it('does not name the wrong one of two options, which would name the right one', () => {
    const of = { options: options.slice(0, 2), answer: 'B' };
    expect(texts('<answer>A</answer>', { of })).toEqual(['The chosen option is wrong.']);
  });

  it('names the right option where it may, and only of a wrong answer', () => {
    expect(texts('<answer>A</answer>', { reveal: 'answer' })).toEqual([
      'Option A is wrong.',
      'The right option is B: 56 pC',
    ]);
    expect(texts('no idea', { reveal: 'answer' }).at(-1)).toBe('The right option is B: 56 pC');
    expect(texts('B', { reveal: 'answer' })).toEqual([`There is no answer tag: ${wanted}.`]);
  });

  it('as hints, is the same whichever of the other options is right', () => {
    const answers = [
      '',
      'so',
      'A',
      '<answer>A',
      '<answer>A</answer>',
      '<answer>A: 50</answer>',
      '<answer>Z</answer>',
    ];
    for (const grading of gradings)
      for (const form of answerForms)
        for (const text of answers) {
          const [b, c, d] = ['B', 'C', 'D'].map((answer) =>
            texts(text, { of: { options, answer }, grading, form, seed: 2 }),
          );
          expect(c).toEqual(b);
          expect(d).toEqual(b);
        }
  });

  it('shows, where a letter was asked for, an example whose letter the seed chooses', () => {
    const form = 'letter';
    expect(texts('B: 56 pC', { form, seed: 2, truncated: true })).toEqual([
      'The answer was cut off before it ended.',
      'The answer is not one letter alone. The answer must look like this:\nC',
    ]);
    expect(texts('', { form, seed: 5 })).toEqual(['The answer is empty. The answer must look like this:\nB']);
    expect(texts('E', { form, seed: 0 })).toEqual([
      'E is not offered: the options are A, B, C, D. The answer must look like this:\nA',
    ]);
    expect(texts('A', { form, seed: 0 })).toEqual(['Option A is wrong.']);
    expect(texts('B', { form, seed: 0 })).toEqual([]);
  });
});
