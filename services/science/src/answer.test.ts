import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type FormFault, readChoice } from './answer.js';

const letters = ['A', 'B', 'C', 'D'];

describe('readChoice of tags', () => {
  it.each<[string, string, FormFault, string]>([
    ['a letter between tags', '<reasoning>so</reasoning>\n<answer>\nB\n</answer>\n', 'valid', 'B'],
    ['what follows the tags', '<answer>B</answer> or C', 'valid', 'B'],
    ['no tag', ' B\n', 'no-tag', 'B'],
    ['no tag and many words', 'The answer is B.', 'no-tag', 'The answer is B.'],
    ['nothing at all', '', 'no-tag', ''],
    ['a closing tag alone', 'B</answer>', 'unopened', 'B'],
    ['a closing tag before the opening one', 'C</answer><answer>B', 'unclosed', 'B'],
    ['an opening tag alone', 'So <answer> B', 'unclosed', 'B'],
    ['two pairs of tags', '<answer>A</answer> no: <answer>B</answer>', 'several-tags', 'B'],
    ['a tag within the tags', '<answer><answer>B</answer></answer>', 'several-tags', 'B'],
    ['nothing between the tags', '<answer> </answer>', 'empty', ''],
    ['the option with its letter', '<answer>B: 56 pC</answer>', 'text', 'B: 56 pC'],
    ['two letters', '<answer>A, B</answer>', 'text', 'A, B'],
    ['a small letter', '<answer>b</answer>', 'text', 'b'],
    ['a letter that is not offered', '<answer>E</answer>', 'not-offered', 'E'],
    ['tags in capitals', '<ANSWER>B</ANSWER>', 'no-tag', '<ANSWER>B</ANSWER>'],
  ])('reads %s', (_name, answer, form, text) => {
    expect(readChoice(answer, letters, 'tags')).toEqual({ form, text });
  });

  it('finds the letter between tags whatever reasoning without tags stands before them', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...letters), (reasoning, letter) => {
        expect(readChoice(`${reasoning}\n<answer>${letter}</answer>`, letters, 'tags')).toEqual({
          form: 'valid',
          text: letter,
        });
      }),
    );
  });
});

describe('readChoice of a letter', () => {
  it.each<[string, string, FormFault, string]>([
    ['a letter', ' B\n', 'valid', 'B'],
    ['a letter with its option', 'B: 56 pC', 'text', 'B: 56 pC'],
    ['a letter between tags', '<answer>B</answer>', 'text', '<answer>B</answer>'],
    ['a letter that is not offered', 'E', 'not-offered', 'E'],
    ['nothing', ' ', 'empty', ''],
  ])('reads %s', (_name, answer, form, text) => {
    expect(readChoice(answer, letters, 'letter')).toEqual({ form, text });
  });
});
