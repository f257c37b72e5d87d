import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { byteTokenizer } from './index.js';

describe('byteTokenizer', () => {
  const tokenizer = byteTokenizer();

  it('reads back whatever it wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  it('knows the marks of a message', () => {
    expect(tokenizer.encode('<|start|>a<|end|>')).toEqual([256, 97, 257]);
  });

  it('gives every id of the vocabulary one symbol in tokenizer.json', () => {
    const { model, added_tokens: added } = JSON.parse(tokenizer.tokenizerJson) as {
      model: { vocab: Record<string, number> };
      added_tokens: { id: number }[];
    };
    const ids = [...Object.values(model.vocab), ...added.map(({ id }) => id)];
    expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: tokenizer.vocabularySize }, (_, i) => i));
  });
});
