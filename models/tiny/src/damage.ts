/** Attempts that lost one piece of their text, and how Python refuses them. */

import { runtimeErrorFeedback, syntaxErrorFeedback } from './feedback.js';
import { closing, frames, opening, type Program } from './program.js';
import type { Random } from './random.js';
import type { Meaning } from './world.js';

/** A program that Python refuses, with the judge's feedback on it. */
export interface DamagedProgram {
  readonly text: string;
  readonly feedback: string;
}

/** The pieces of a program's text and the words of CPython 3.11 for a program that lacks one of them. */
type Piece = 'opening' | 'before' | 'operand' | 'after';
const complaints: Readonly<Record<Piece, { readonly error: string; readonly message: string }>> = {
  opening: { error: 'NameError', message: "name 'a' is not defined" },
  before: { error: 'SyntaxError', message: "unmatched ']'" },
  operand: { error: 'SyntaxError', message: 'invalid syntax' },
  after: { error: 'SyntaxError', message: 'invalid decimal literal' },
};

/** Every way to make a program unrunnable by deleting one piece; a runtime error is reported on the given test. */
export function damagedPrograms(program: Program, test: number): readonly DamagedProgram[] {
  const damages = program.flatMap((meaning, index) =>
    piecesOf(meaning).map((piece) => ({ piece, index, lineNumber: index + 2 })),
  );
  return [{ piece: 'opening' as const, index: -1, lineNumber: 1 }, ...damages].map(
    ({ piece, index, lineNumber }) => {
      const lines = program.map((meaning, at) => writeWithout(meaning, at === index ? piece : undefined));
      const text = [piece === 'opening' ? '' : opening, ...lines, closing].join('');
      const complaint = { ...complaints[piece], lineNumber, line: text.split('\n')[lineNumber - 1] ?? '' };
      const feedback =
        piece === 'opening' ? runtimeErrorFeedback(test, complaint) : syntaxErrorFeedback(complaint);
      return { text, feedback };
    },
  );
}

/** Picks one of the ways. @param tests How many tests a runtime error may be reported on. */
export function damageProgram(random: Random, program: Program, tests: number): DamagedProgram {
  return random.pick(damagedPrograms(program, 1 + random.below(tests)));
}

/** `a = a[:]` is a program still, so a cut keeps its operand. */
function piecesOf({ operation }: Meaning): readonly Piece[] {
  return operation === 'drop-first' || operation === 'keep-first'
    ? ['before', 'after']
    : ['before', 'operand', 'after'];
}

function writeWithout({ operation, operand }: Meaning, piece: Piece | undefined): string {
  const { before, after } = frames[operation];
  return [
    piece === 'before' ? '' : before,
    piece === 'operand' ? '' : String(operand),
    piece === 'after' ? '' : after,
  ].join('');
}
