/** Questions: verbs joined by "then", and the dictionaries that say what the verbs mean. */

import type { Program } from './program.js';
import type { Random } from './random.js';
import { kindOf, kinds, meanings, orders, words, type Kind, type Meaning } from './world.js';

/** The words of a question in the order their changes apply. */
export type Question = readonly string[];

/** What each word means. */
export type Dictionary = ReadonlyMap<string, Meaning>;

/** Which words of each kind are in use. */
export type Lexicon = Readonly<Record<Kind, readonly string[]>>;

/** The user's message. */
export function questionText(question: Question): string {
  return question.join(' then ');
}

/** Draws the order of kinds first and then the words, each uniformly. */
export function drawQuestion(random: Random, verbs: 1 | 2 | 3): Question {
  return random.pick(orders[verbs]).map((kind) => random.pick(words[kind]));
}

/**
 * Draws distinct questions uniformly from all that the lexicon allows.
 *
 * @throws RangeError when fewer exist.
 */
export function drawDistinctQuestions(
  random: Random,
  lexicon: Lexicon,
  verbs: 1 | 2 | 3,
  count: number,
): readonly Question[] {
  const all = orders[verbs].flatMap((order) => combinations(order.map((kind) => lexicon[kind])));
  if (count > all.length) {
    throw new RangeError(
      `${count} distinct questions of ${verbs} verbs were asked for, and only ${all.length} exist`,
    );
  }
  return random.shuffle(all).slice(0, count);
}

/** Picks the words in use. @param perKind In [1, 6]. */
export function drawLexicon(random: Random, perKind: number): Lexicon {
  const draw = (kind: Kind): readonly string[] => random.shuffle(words[kind]).slice(0, perKind);
  return { shift: draw('shift'), scale: draw('scale'), cut: draw('cut'), filter: draw('filter') };
}

/** Gives every word of the world one meaning of its kind, each uniformly. */
export function drawDictionary(random: Random): Dictionary {
  return new Map(
    kinds.flatMap((kind) => words[kind].map((word) => [word, random.pick(meanings[kind])] as const)),
  );
}

/** The program that answers the question under a dictionary. */
export function answerOf(question: Question, dictionary: Dictionary): Program {
  return question.map((word) => {
    const meaning = dictionary.get(word);
    if (meaning === undefined) throw new RangeError(`the dictionary has no meaning of "${word}"`);
    return meaning;
  });
}

/** A program of the right shape with every meaning drawn anew. */
export function guessOf(random: Random, question: Question): Program {
  return question.map((word) => random.pick(meanings[kindOfWord(word)]));
}

function kindOfWord(word: string): Kind {
  const kind = kindOf.get(word);
  if (kind === undefined) throw new RangeError(`"${word}" is no word of this world`);
  return kind;
}

function combinations(lists: readonly (readonly string[])[]): readonly Question[] {
  return lists.reduce<readonly Question[]>(
    (questions, list) => questions.flatMap((question) => list.map((word) => [...question, word])),
    [[]],
  );
}
