import { describe, expect, it } from '@jest/globals';
import { documentKinds, drawDocument, drawDocumentOf } from './documents.js';
import { readProgram, runProgram } from './program.js';
import { createRandom } from './random.js';

const numbers = (text: string | undefined): number[] =>
  (text ?? '').trim().split(' ').filter(Boolean).map(Number);

describe('drawDocumentOf', () => {
  it('tells feedback that is true of the answer and false of the attempt', () => {
    const random = createRandom(3);
    for (let draw = 0; draw < 200; draw += 1) {
      const { messages, answer } = drawDocumentOf(random, 'feedback', 2);
      const told = /\nInput:(.*)\nOutput:(.*)\nExpected:(.*)\n\nNow answer/.exec(messages[0]!.content);
      if (told === null) continue;
      const [, input, output, expected] = told.map(numbers);
      expect(runProgram(readProgram(answer)!, input!)).toEqual(expected);
      expect(output).not.toEqual(expected);
    }
  });

  it('retells the question as the reprompt does', () => {
    const { messages, answer } = drawDocumentOf(createRandom(4), 'solution', 1);
    expect(messages).toHaveLength(1);
    expect(messages[0]!.content).toMatch(
      /^[a-z]+\nHere is a solution that was verified as correct:\n\n[^]*\n\nNow answer the original question correctly\.$/,
    );
    expect(messages[0]!.content).toContain(answer);
  });

  it('lets a conversation alternate and end with the user', () => {
    const random = createRandom(8);
    for (let draw = 0; draw < 20; draw += 1) {
      const { messages, answer } = drawDocumentOf(random, 'turns', 3);
      expect(messages.map(({ role }) => role)).toEqual(
        messages.map((_, index) => (index % 2 === 0 ? 'user' : 'assistant')),
      );
      expect(messages.at(-1)?.role).toBe('user');
      expect(messages.map(({ content }) => content)).not.toContain(answer);
    }
  });
});

describe('drawDocument', () => {
  const mix = {
    kinds: { plain: 1, feedback: 1, solution: 1, 'solution-and-feedback': 1, turns: 1 },
    verbs: [1, 1, 1],
  } as const;

  it('draws every kind, and the same documents from the same seed', () => {
    const draw = (seed: number) => {
      const random = createRandom(seed);
      return Array.from({ length: 100 }, () => drawDocument(random, mix));
    };
    expect(new Set(draw(1).map(({ kind }) => kind))).toEqual(new Set(documentKinds));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('never draws a kind whose share is nothing', () => {
    const random = createRandom(1);
    const only = { kinds: { ...mix.kinds, plain: 0, turns: 0 }, verbs: [0, 1, 0] } as const;
    const drawn = Array.from({ length: 200 }, () => drawDocument(random, only).kind);
    expect(drawn).not.toContain('plain');
    expect(drawn).not.toContain('turns');
  });
});
