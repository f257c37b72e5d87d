/** The phrases of the world that are one token each: code, the judge's feedback, the retold question, words, numbers. */

import { neutralWording } from '@backsight/sdpo';
import { closing, frames, opening } from './program.js';
import { kinds, words } from './world.js';

/** Longest first, so that no phrase hides a longer one. */
export function worldPhrases(): readonly string[] {
  const lines = Object.values(frames).flatMap(({ before, after }) => [before, after, after.trimEnd()]);
  const all = new Set([
    opening,
    closing,
    ...lines,
    ...kinds.flatMap((kind) => words[kind]),
    ' then ',
    ...feedback,
    ...hindsight,
    ...numbers,
  ]);
  // Single characters have their byte's token.
  return [...all]
    .filter((phrase) => phrase.length > 1)
    .sort((one, other) => other.length - one.length || compare(one, other));
}

const feedback = [
  'Wrong answer on test',
  '\nInput:',
  '\nOutput:',
  '\nExpected:',
  'Runtime error on test',
  'Syntax error\nSyntaxError: ',
  '\nNameError: ',
  "name 'a' is not defined",
  "unmatched ']'",
  'invalid syntax',
  'invalid decimal literal',
  '\nline ',
];

/** As the reprompt joins them. */
const hindsight = [
  `\n${neutralWording.demonstrationHeader}\n\n`,
  `\n${neutralWording.feedbackHeader}\n\n`,
  `\n\n${neutralWording.closing}`,
];

/** With the space before them, as in lists; operands in code have none and are bytes. */
const numbers = Array.from({ length: 100 }, (_, value) => ` ${value}`);

function compare(one: string, other: string): number {
  return one < other ? -1 : 1;
}
