import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TextStream } from './text-stream.js';

/** Ids are bytes of UTF-8, so that characters come in pieces. */
const decodeBytes = (ids: readonly number[]) => Buffer.from(ids).toString('utf8');

/** What is written of bytes, piece by piece, and whether a stop string ended it. */
function write(bytes: Iterable<number>, stops: readonly string[], start = 0) {
  const stream = new TextStream(decodeBytes, stops, start);
  const pieces = [];
  for (const tokenId of bytes) {
    const { stopped, ...piece } = stream.push({ tokenId, logprob: -1, top: [] });
    pieces.push(piece);
    if (stopped) return { pieces, stopped };
  }
  return { pieces: [...pieces, stream.flush()], stopped: false };
}

const texts = fc
  .array(fc.constantFrom('a', 'b', 'é', '日', '🙂', '\n'), { maxLength: 20 })
  .map((all) => all.join(''));
const stops = fc.array(
  fc.array(fc.constantFrom('a', 'b', '日', '\n'), { minLength: 1, maxLength: 3 }).map((all) => all.join('')),
  { maxLength: 3 },
);

describe('TextStream', () => {
  it('writes all of the text up to the first stop string to be complete, whatever the pieces', () => {
    fc.assert(
      fc.property(texts, stops, (text, stopStrings) => {
        const { pieces, stopped } = write(Buffer.from(text), stopStrings);
        const complete = Array.from(text).findIndex((_, i, characters) =>
          stopStrings.some((stop) =>
            characters
              .slice(0, i + 1)
              .join('')
              .includes(stop),
          ),
        );
        const seen = Array.from(text)
          .slice(0, complete + 1)
          .join('');
        const end = Math.min(...stopStrings.map((stop) => seen.indexOf(stop)).filter((index) => index >= 0));
        expect(stopped).toBe(complete >= 0);
        expect(pieces.map((piece) => piece.text).join('')).toBe(complete >= 0 ? seen.slice(0, end) : text);
      }),
    );
  });

  it('never tells half a character', () => {
    fc.assert(
      fc.property(texts, stops, (text, stopStrings) => {
        for (const piece of write(Buffer.from(text), stopStrings).pieces)
          expect(piece.text).not.toContain('\uFFFD');
      }),
    );
  });

  it('tells every token once, in order, at the offset where its text begins', () => {
    fc.assert(
      fc.property(texts, fc.nat(5), (text, start) => {
        const { pieces } = write(Buffer.from(text), ['ab'], start);
        const tokens = pieces.flatMap((piece) => piece.tokens);
        const bytes = [...Buffer.from(text)].slice(0, tokens.length);
        expect(tokens.map(({ tokenId }) => tokenId)).toEqual(bytes);
        tokens.forEach(({ offset }, i) => {
          const before = Buffer.from(bytes.slice(0, i))
            .toString('utf8')
            .replace(/\uFFFD+$/, '');
          expect(offset).toBe(start + before.length);
        });
        if (!text.includes('ab')) expect(tokens).toHaveLength(Buffer.byteLength(text));
      }),
    );
  });

  it('holds back what may become a stop string, and tells it once it does not', () => {
    expect(write(Buffer.from('xENy'), ['END']).pieces.map(({ text }) => text)).toEqual([
      'x',
      '',
      '',
      'ENy',
      '',
    ]);
    const cut = write(Buffer.from('xEND'), ['END']);
    expect(cut.pieces.map(({ text, tokens }) => [text, tokens.length])).toEqual([
      ['x', 1],
      ['', 0],
      ['', 0],
      ['', 0],
    ]);
  });

  it('tells bytes that never become a character as what they are at the end', () => {
    const { pieces } = write([0x61, 0xe6, 0x97], []);
    expect(pieces.map(({ text }) => text)).toEqual(['a', '', '', '\uFFFD']);
    expect(pieces.flatMap(({ tokens }) => tokens)).toHaveLength(3);
  });
});
