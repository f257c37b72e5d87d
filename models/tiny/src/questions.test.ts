import { describe, expect, it } from '@jest/globals';
import {
  answerOf,
  drawDictionary,
  drawDistinctQuestions,
  drawLexicon,
  drawQuestion,
  questionText,
} from './questions.js';
import { createRandom } from './random.js';
import { kindOf, meanings, orders, words } from './world.js';

describe('drawDistinctQuestions', () => {
  const lexicon = drawLexicon(createRandom(5), 3);

  it('draws each question of the lexicon once when all 72 pairs are asked for', () => {
    const texts = drawDistinctQuestions(createRandom(5), lexicon, 2, 72).map(questionText);
    expect(new Set(texts).size).toBe(72);
    expect(texts[0]).toMatch(/^[a-z]+ then [a-z]+$/);
  });

  it('refuses to draw more than exist instead of searching for ever', () => {
    expect(() => drawDistinctQuestions(createRandom(5), lexicon, 1, 13)).toThrow(
      '13 distinct questions of 1 verbs were asked for, and only 12 exist',
    );
  });
});

describe('drawQuestion', () => {
  it('keeps to the legal orders', () => {
    const random = createRandom(2);
    for (let draw = 0; draw < 100; draw += 1) {
      const order = drawQuestion(random, 3).map((word) => kindOf.get(word));
      expect(orders[3]).toContainEqual(order);
    }
  });
});

describe('drawDictionary', () => {
  it('gives each word a meaning of its kind, and in the long run every one', () => {
    const random = createRandom(9);
    const seen = Array.from({ length: 200 }, () => drawDictionary(random).get('prune'));
    expect(new Set(seen).size).toBe(8);
    for (const meaning of seen) expect(meanings.cut).toContain(meaning);
  });
});

describe('answerOf', () => {
  it('looks the words up in order', () => {
    const dictionary = drawDictionary(createRandom(1));
    const question = [words.cut[0]!, words.shift[0]!];
    expect(answerOf(question, dictionary)).toEqual(question.map((word) => dictionary.get(word)));
    expect(() => answerOf(['fly'], dictionary)).toThrow('no meaning of "fly"');
  });
});
