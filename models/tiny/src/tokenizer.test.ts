import { createRenderer } from '@backsight/renderer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { documentKinds, drawDocumentOf } from './documents.js';
import { createRandom } from './random.js';
import { specialTokens, tokenizerConfigJson, tokenizerJson, vocabularySize } from './tokenizer.js';

const renderer = createRenderer({
  tokenizerJson: JSON.stringify(tokenizerJson()),
  tokenizerConfigJson: JSON.stringify(tokenizerConfigJson(256)),
  chatTemplate: '',
});
const pieces = (ids: readonly number[]): string[] => ids.map((id) => renderer.decodeWithSpecial([id]));

describe('tokenizerJson', () => {
  it('writes a question in a token a word and a program in about three a verb', () => {
    expect(pieces(renderer.encodePrompt([{ role: 'user', content: 'prune then hop' }]))).toEqual([
      '<bos>',
      '<user>',
      'prune',
      ' then ',
      'hop',
      '<asst>',
    ]);
    const program = 'a = list(map(int, input().split()))\na = a[1:]\na = [x + 8 for x in a]\nprint(*a)';
    expect(pieces(renderer.encodeText(program))).toEqual([
      'a = list(map(int, input().split()))\n',
      'a = a[',
      '1',
      ':]\n',
      'a = [x + ',
      '8',
      ' for x in a]\n',
      'print(*a)',
    ]);
  });

  it('spells no byte of a document but the operands', () => {
    const random = createRandom(6);
    for (let draw = 0; draw < 300; draw += 1) {
      const kind = random.pick(documentKinds);
      const { messages, answer } = drawDocumentOf(random, kind, 2);
      if (messages.some(({ content }) => content.includes('rror'))) continue;
      const ids = [...renderer.encodePrompt(messages), ...renderer.encodeText(answer)];
      for (const piece of pieces(ids).filter(({ length }) => length === 1)) expect(piece).toMatch(/^[1-9]$/);
    }
  });

  it('keeps a teacher prompt with feedback under 45 tokens', () => {
    const random = createRandom(7);
    const lengths = Array.from(
      { length: 200 },
      () => renderer.encodePrompt(drawDocumentOf(random, 'feedback', 2).messages).length,
    );
    expect(lengths.reduce((sum, length) => sum + length, 0) / lengths.length).toBeLessThan(45);
  });

  it('gives back any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!specialTokens.some((token) => text.includes(token)));
        expect(renderer.decode(renderer.encodeText(text))).toBe(text);
      }),
    );
  });

  it('has an id for every token and no other', () => {
    const { vocab } = (tokenizerJson() as { model: { vocab: Record<string, number> } }).model;
    expect(Object.values(vocab).sort((one, other) => one - other)).toEqual(
      Array.from({ length: vocabularySize() }, (_, id) => id),
    );
  });
});

describe('chatTemplate', () => {
  it('appends turns without rewriting earlier ones', () => {
    const first = renderer.encodePrompt([{ role: 'user', content: 'prune' }]);
    const completion = renderer.encodeText('print(*a)<eos>');
    const next = renderer.extendPrompt(first, completion, [
      { role: 'user', content: 'Wrong answer on test 1' },
    ]);
    expect(renderer.decodeWithSpecial(next)).toBe(
      '<bos><user>prune<asst>print(*a)<eos><user>Wrong answer on test 1<asst>',
    );
  });
});
