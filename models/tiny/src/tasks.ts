/** The quickstart's tasks: questions under one hidden dictionary, as rows of the coding environment. */

import { drawTest, testsPerKind } from './input-output.js';
import { writeProgram, type Program } from './program.js';
import {
  answerOf,
  drawDictionary,
  drawDistinctQuestions,
  drawLexicon,
  questionText,
  type Question,
} from './questions.js';
import { createRandom, type Random } from './random.js';

/** One line of a task file. */
export interface TaskRow {
  readonly task_id: string;
  readonly split: TaskSplit;
  /** The user's message. */
  readonly prompt: string;
  readonly language: 'python';
  /** The whole answer is the program. */
  readonly answer_format: 'plain';
  readonly tests: readonly TaskTest[];
  /** Which tests are run and decide the reward. Feedback speaks of public ones only, so `hidden` gives none. */
  readonly reward_tests: RewardTests;
}

export type RewardTests = 'public' | 'hidden' | 'all';

/** How rows are written. */
export interface QuickstartTaskOptions {
  /** Put before every task id, so that the tasks of several seeds can share a file. */
  readonly prefix?: string;
  /** For every row. By default public tests reward training and hidden ones evaluation. */
  readonly rewardTests?: RewardTests;
}

/** `held-out`: unseen pairs of the words trained on; `held-out-3`: triples of them. */
export type TaskSplit = 'train' | 'held-out' | 'held-out-3';

export interface TaskTest {
  readonly input: string;
  readonly output: string;
  readonly hidden: boolean;
}

/** How many questions each split has, and of how many verbs. */
const sizes = { train: 48, 'held-out': 24, 'held-out-3': 24 } as const;
/** Three words of each of the four kinds make 72 questions of two verbs: just enough. */
const wordsPerKind = 3;

/**
 * The rows of one seed: 48 two-verb questions to train on, 24 more and 24 three-verb ones to evaluate on.
 *
 * @param seed A 32-bit integer; it draws the words in use, their hidden meanings, the questions and the tests.
 */
export function quickstartTasks(seed: number, options: QuickstartTaskOptions = {}): readonly TaskRow[] {
  const random = createRandom(seed);
  const lexicon = drawLexicon(random, wordsPerKind);
  const dictionary = drawDictionary(random);
  const pairs = drawDistinctQuestions(random, lexicon, 2, sizes.train + sizes['held-out']);
  const triples = drawDistinctQuestions(random, lexicon, 3, sizes['held-out-3']);
  const rows = (split: TaskSplit, questions: readonly Question[]): readonly TaskRow[] =>
    questions.map((question, index) => ({
      task_id: `${options.prefix ?? ''}${split}-${String(index + 1).padStart(2, '0')}`,
      split,
      prompt: questionText(question),
      language: 'python',
      answer_format: 'plain',
      tests: drawTests(random, answerOf(question, dictionary)),
      reward_tests: options.rewardTests ?? (split === 'train' ? 'public' : 'hidden'),
    }));
  return [
    ...rows('train', pairs.slice(0, sizes.train)),
    ...rows('held-out', pairs.slice(sizes.train)),
    ...rows('held-out-3', triples),
  ];
}

/** The program that answers a row's question under its seed's dictionary, for people and tests; no row holds it. */
export function quickstartAnswers(seed: number): ReadonlyMap<string, string> {
  const random = createRandom(seed);
  drawLexicon(random, wordsPerKind);
  const dictionary = drawDictionary(random);
  return new Map(
    quickstartTasks(seed).map(({ prompt }) => [
      prompt,
      writeProgram(answerOf(prompt.split(' then '), dictionary)),
    ]),
  );
}

function drawTests(random: Random, program: Program): readonly TaskTest[] {
  return [false, true].flatMap((hidden) =>
    Array.from({ length: testsPerKind }, () => {
      const { input, output } = drawTest(random, program);
      return { input: input.join(' '), output: output.join(' '), hidden };
    }),
  );
}
