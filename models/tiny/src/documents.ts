/** Pre-training documents: conversations whose last turn the policy learns to write. */

import { neutralWording, retell, type Hindsight, type Message } from '@backsight/sdpo';
import { damageProgram } from './damage.js';
import { wrongAnswerFeedback } from './feedback.js';
import { drawTest, testsPerKind } from './input-output.js';
import { runProgram, writeProgram, type Program } from './program.js';
import { answerOf, drawDictionary, drawQuestion, guessOf, questionText, type Question } from './questions.js';
import type { Random } from './random.js';

export interface Document {
  readonly kind: DocumentKind;
  readonly messages: readonly Message[];
  /** What the assistant should say next. */
  readonly answer: string;
}

/**
 * `plain`: the question alone, whose answer can only be guessed. `feedback`: with the judge's words on a failed attempt.
 * `solution`: with a correct program. `solution-and-feedback`: both. `turns`: a conversation of attempts and feedback.
 */
export type DocumentKind = 'plain' | 'feedback' | 'solution' | 'solution-and-feedback' | 'turns';

/** How often each kind and each length is drawn; only ratios matter. */
export interface DocumentMix {
  readonly kinds: Readonly<Record<DocumentKind, number>>;
  /** Questions of one, two and three verbs. */
  readonly verbs: readonly [number, number, number];
}

/** Share of failed attempts that Python refuses. */
const damagedShare = 0.03;
/** Share of an attempt's verbs that are right beyond chance. */
const knownShare = 0.25;
export const documentKinds: readonly DocumentKind[] = [
  'plain',
  'feedback',
  'solution',
  'solution-and-feedback',
  'turns',
];

/** Draws one document; every document has a dictionary of its own. */
export function drawDocument(random: Random, mix: DocumentMix): Document {
  const kind = documentKinds[random.weighted(documentKinds.map((name) => mix.kinds[name]))] ?? 'plain';
  const verbs = ([1, 2, 3] as const)[random.weighted(mix.verbs)] ?? 1;
  return drawDocumentOf(random, kind, verbs);
}

/** Draws a document of one kind about a question of so many verbs. */
export function drawDocumentOf(random: Random, kind: DocumentKind, verbs: 1 | 2 | 3): Document {
  const question = drawQuestion(random, verbs);
  const program = answerOf(question, drawDictionary(random));
  const answer = writeProgram(program);
  const asked: readonly Message[] = [{ role: 'user', content: questionText(question) }];
  const told = (hindsight: Hindsight): Document => ({
    kind,
    messages: retell(asked, hindsight, neutralWording),
    answer,
  });
  const demonstration = { rolloutId: 'sibling', text: answer };
  switch (kind) {
    case 'plain':
      return { kind, messages: asked, answer };
    case 'solution':
      return told({ demonstration });
    case 'feedback':
      return told({ feedback: drawAttempt(random, question, program).feedback });
    case 'solution-and-feedback':
      return told({ demonstration, feedback: drawAttempt(random, question, program).feedback });
    case 'turns': {
      const attempts = Array.from({ length: 1 + random.below(3) }, () =>
        drawAttempt(random, question, program),
      );
      const turns = attempts.flatMap((attempt): readonly Message[] => [
        { role: 'assistant', content: attempt.text },
        { role: 'user', content: attempt.feedback },
      ]);
      return { kind, messages: [...asked, ...turns], answer };
    }
  }
}

interface Attempt {
  readonly text: string;
  readonly feedback: string;
}

/** A failed attempt: a guess, right in some verbs, that one test tells apart from the answer. */
function drawAttempt(random: Random, question: Question, answer: Program): Attempt {
  if (random.chance(damagedShare)) return damageProgram(random, guessOf(random, question), testsPerKind);
  for (;;) {
    const guess = guessOf(random, question);
    const attempt = guess.map((meaning, index) =>
      random.chance(knownShare) ? (answer[index] ?? meaning) : meaning,
    );
    const { input, output: expected } = drawTest(random, answer);
    const output = runProgram(attempt, input);
    if (output.join(' ') === expected.join(' ')) continue;
    const number = 1 + random.below(testsPerKind);
    return {
      text: writeProgram(attempt),
      feedback: wrongAnswerFeedback({ number, input, output, expected }),
    };
  }
}
