/** Tests: an input list and what the right program prints for it. */

import { runProgram, type Program } from './program.js';
import type { Random } from './random.js';

export interface InputOutput {
  /** Distinct digits, so that a value tells where it came from. Shape [7]. */
  readonly input: readonly number[];
  /** Values in [0, 81]. */
  readonly output: readonly number[];
}

/** Tests of each kind, public and hidden, in a task. */
export const testsPerKind = 6;

const digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const inputLength = 7;
/** A cut after a filter leaves nothing of most inputs; a program that always leaves nothing keeps its empty outputs. */
const patience = 100;

/** Draws a test whose output is not empty, for an empty one tells apart nothing. */
export function drawTest(random: Random, program: Program): InputOutput {
  let test = drawAnyTest(random, program);
  for (let tries = 1; test.output.length === 0 && tries < patience; tries += 1)
    test = drawAnyTest(random, program);
  return test;
}

function drawAnyTest(random: Random, program: Program): InputOutput {
  const input = random.shuffle(digits).slice(0, inputLength);
  return { input, output: runProgram(program, input) };
}
