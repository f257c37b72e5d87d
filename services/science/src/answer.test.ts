import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Form, readChoice } from './answer.js';

const letters = ['A', 'B', 'C', 'D'];

describe('readChoice', () => {
  it.each<[string, string, Form, string]>([
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
    expect(readChoice(answer, letters)).toEqual({ form, text });
  });

  it('finds the letter between tags whatever reasoning without tags stands before them', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...letters), (reasoning, letter) => {
        expect(readChoice(`${reasoning}\n<answer>${letter}</answer>`, letters)).toEqual({
          form: 'valid',
          text: letter,
        });
      }),
    );
  });
});
