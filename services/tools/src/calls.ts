/** Reads the calls out of an answer in the Thought / Action / Action Input format. */
import { type JsonObject, readObject } from './json-object.js';

/** One call of a tool. */
export interface Call {
  /** The tool's name. */
  readonly action: string;
  readonly input: JsonObject;
}

/** A call as an answer wrote it; the input may be missing or broken. */
export interface WrittenCall {
  /** Empty when an input has no action before it. */
  readonly action: string;
  readonly input: WrittenInput;
}

/** What stands after "Action Input:". `at` counts characters from its beginning, from 1. */
export type WrittenInput =
  | { readonly kind: 'object'; readonly value: JsonObject }
  | { readonly kind: 'missing' }
  | { readonly kind: 'broken'; readonly problem: string; readonly at: number };

/**
 * The calls in the order written. The marks may stand anywhere in the text, as the reference reads them, but not within
 * an input: what is inside a JSON object belongs to the object.
 */
export function readCalls(answer: string): readonly WrittenCall[] {
  const calls: WrittenCall[] = [];
  const mark = /Action( Input)?:[ \t]*/g;
  for (let found = mark.exec(answer); found !== null; found = mark.exec(answer)) {
    if (found[1] === undefined) {
      calls.push({ action: nameAt(answer, mark.lastIndex), input: { kind: 'missing' } });
      continue;
    }
    const { input, end } = inputAt(answer, mark.lastIndex);
    mark.lastIndex = end;
    const last = calls.at(-1);
    if (last?.input.kind === 'missing') calls[calls.length - 1] = { ...last, input };
    else calls.push({ action: '', input });
  }
  return calls;
}

function nameAt(answer: string, from: number): string {
  const word = /[^\s:,({]*/y;
  word.lastIndex = from;
  return word.exec(answer)?.[0] ?? '';
}

function inputAt(answer: string, from: number): { readonly input: WrittenInput; readonly end: number } {
  const space = /\s*/y;
  space.lastIndex = from;
  const begin = from + (space.exec(answer)?.[0].length ?? 0);
  if (answer[begin] !== '{') {
    const nothing = begin >= answer.length || answer.slice(from, begin).includes('\n');
    if (nothing) return { input: { kind: 'missing' }, end: from };
    return { input: { kind: 'broken', problem: 'expected "{"', at: 1 }, end: begin };
  }
  const reading = readObject(answer, begin);
  return reading.kind === 'object'
    ? { input: { kind: 'object', value: reading.value }, end: reading.end }
    : {
        input: { kind: 'broken', problem: reading.problem, at: reading.at - begin + 1 },
        end: Math.max(begin + 1, reading.at),
      };
}
