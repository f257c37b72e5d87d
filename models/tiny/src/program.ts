/** Programs of the world: a chain of meanings as Python text, and what that text prints. */

import type { Meaning, Operation } from './world.js';

/** The meanings in the order they apply. */
export type Program = readonly Meaning[];

export const opening = 'a = list(map(int, input().split()))\n';
export const closing = 'print(*a)';

/** What stands before and after the operand in the line of an operation. */
export const frames: Readonly<Record<Operation, { readonly before: string; readonly after: string }>> = {
  add: { before: 'a = [x + ', after: ' for x in a]\n' },
  multiply: { before: 'a = [x * ', after: ' for x in a]\n' },
  'drop-first': { before: 'a = a[', after: ':]\n' },
  'keep-first': { before: 'a = a[:', after: ']\n' },
  'keep-above': { before: 'a = [x for x in a if x > ', after: ']\n' },
  'keep-below': { before: 'a = [x for x in a if x < ', after: ']\n' },
};

/** The whole Python program: reads one line of numbers, prints the changed list on one line. */
export function writeProgram(program: Program): string {
  return opening + program.map(writeLine).join('') + closing;
}

/** Reads a program back from its text, up to white space around it; `undefined` for any other text. */
export function readProgram(text: string): Program | undefined {
  const lines = text.trim().split('\n');
  if (lines.length < 2 || lines[0] !== opening.trimEnd() || lines.at(-1) !== closing) return undefined;
  const program: Meaning[] = [];
  for (const line of lines.slice(1, -1)) {
    const meaning = readLine(`${line}\n`);
    if (meaning === undefined) return undefined;
    program.push(meaning);
  }
  return program;
}

/** The list that the program prints for an input list. */
export function runProgram(program: Program, input: readonly number[]): readonly number[] {
  return program.reduce(apply, input);
}

function apply(list: readonly number[], { operation, operand }: Meaning): readonly number[] {
  switch (operation) {
    case 'add':
      return list.map((value) => value + operand);
    case 'multiply':
      return list.map((value) => value * operand);
    case 'drop-first':
      return list.slice(operand);
    case 'keep-first':
      return list.slice(0, operand);
    case 'keep-above':
      return list.filter((value) => value > operand);
    case 'keep-below':
      return list.filter((value) => value < operand);
  }
}

function writeLine({ operation, operand }: Meaning): string {
  const { before, after } = frames[operation];
  return `${before}${operand}${after}`;
}

const operations: readonly Operation[] = [
  'add',
  'multiply',
  'drop-first',
  'keep-first',
  'keep-above',
  'keep-below',
];

function readLine(line: string): Meaning | undefined {
  for (const operation of operations) {
    const { before, after } = frames[operation];
    if (!line.startsWith(before) || !line.endsWith(after)) continue;
    const operand = line.slice(before.length, line.length - after.length);
    if (/^(0|[1-9]\d?)$/.test(operand)) return { operation, operand: Number(operand) };
  }
  return undefined;
}
