import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mostOptions, optionLines, readOptions, withLetters } from './options.js';

describe('readOptions', () => {
  it.each<[string, string, readonly string[]]>([
    ['two options', 'Is it?\n\nA: yes\nB: no\nPlease reason step by step.', ['yes', 'no']],
    ['options with empty lines between', 'V?\n\nA: 1 Å³\n\nB: 2 Å³\n\nC: 3 Å³\n', ['1 Å³', '2 Å³', '3 Å³']],
    ['the last of two lists', 'A: here\nB: there\nWhich?\nA: left\nB: right', ['left', 'right']],
    ['no letter out of its turn', 'Given\nC: 3 \nFind it.\nA: 1\nC: 5\nB: 2', ['1', '2']],
    ['none where there is none', 'Answer: A or B?', []],
  ])('reads %s', (_name, prompt, texts) => {
    expect(readOptions(prompt)).toEqual(withLetters(texts));
  });

  it('reads what optionLines wrote', () => {
    const text = fc.stringMatching(/^[a-z0-9][a-z0-9 .:]*[a-z0-9]$/);
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: mostOptions }), (texts) => {
        const options = withLetters(texts);
        expect(readOptions(`Which?\n\n${optionLines(options)}`)).toEqual(options);
      }),
    );
  });
});
