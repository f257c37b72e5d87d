/** Compares what a program answered with what was expected. Only here do the two ever meet. */
import { CheckerKind } from '@backsight/contract/judge';
import {
  canonicalText,
  isArray,
  type JsonValue,
  parseJson,
  sameNumber,
  sameValue,
  type Tolerance,
} from './json-value.js';
import { sameOutput, sameResult } from './live-code-bench-rules.js';
import type { Checker } from './submission.js';

const numeral = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Whether an output is right. Bytes that are no UTF-8 are never equal to text. */
export function acceptsOutput(checker: Checker, output: Uint8Array, expected: string): boolean {
  if (checker.kind === CheckerKind.EXACT) return Buffer.from(expected).equals(output);
  const actual = decode(output);
  if (actual === undefined) return false;
  switch (checker.kind) {
    case CheckerKind.UNSPECIFIED:
    case CheckerKind.TRIMMED_LINES:
      return sameList(trimmedLines(actual), trimmedLines(expected));
    case CheckerKind.TOKENS:
      return sameList(tokens(actual), tokens(expected));
    case CheckerKind.FLOATS: {
      const [ours, theirs] = [tokens(actual), tokens(expected)];
      const tolerance = toleranceOf(checker);
      return (
        ours.length === theirs.length &&
        ours.every((each, at) => sameToken(each, theirs[at] ?? '', tolerance))
      );
    }
    case 'live-code-bench':
      return sameOutput(actual, expected);
    case CheckerKind.UNORDERED_LINES:
      return sameList(trimmedLines(actual).sort(), trimmedLines(expected).sort());
    case CheckerKind.PROGRAM:
      throw new TypeError('what a checker program rules on is not compared here');
  }
}

/** Whether an output that is not right would be, were it for blanks and line breaks; asked where those count. */
export function differsInBlanks(checker: Checker, output: Uint8Array, expected: string): boolean {
  const count: readonly Checker['kind'][] = [
    CheckerKind.UNSPECIFIED,
    CheckerKind.EXACT,
    CheckerKind.TRIMMED_LINES,
  ];
  const actual = count.includes(checker.kind) ? decode(output) : undefined;
  return actual !== undefined && sameList(tokens(actual), tokens(expected));
}

/**
 * Whether a function's result is right; both are JSON texts.
 *
 * Numbers are equal by value, within the tolerances for floats; with unordered lines, so are lists whose elements are
 * the same in another order.
 */
export function acceptsResult(checker: Checker, resultJson: string, expectedJson: string): boolean {
  const actual = parseJson(resultJson);
  const expected = parseJson(expectedJson);
  if (actual === undefined || expected === undefined) return false;
  if (checker.kind === 'live-code-bench') return sameResult(actual, expected);
  if (checker.kind === CheckerKind.FLOATS) return sameValue(actual, expected, toleranceOf(checker));
  if (checker.kind === CheckerKind.UNORDERED_LINES && isArray(actual) && isArray(expected)) {
    return sameElements(actual, expected);
  }
  return sameValue(actual, expected);
}

/** The text of these bytes; undefined when they are no UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function toleranceOf({ absoluteTolerance, relativeTolerance }: Checker): Tolerance {
  return { absolute: absoluteTolerance, relative: relativeTolerance };
}

function sameToken(actual: string, expected: string, tolerance: Tolerance): boolean {
  if (numeral.test(actual) && numeral.test(expected)) return sameNumber(actual, expected, tolerance);
  return actual === expected;
}

function sameElements(actual: readonly JsonValue[], expected: readonly JsonValue[]): boolean {
  return sameList(actual.map(canonicalText).sort(), expected.map(canonicalText).sort());
}

function sameList(actual: readonly string[], expected: readonly string[]): boolean {
  return actual.length === expected.length && actual.every((each, at) => each === expected[at]);
}

/** Lines without trailing blanks, the empty ones at the end left out. */
function trimmedLines(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trimEnd());
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

function tokens(text: string): readonly string[] {
  return text.split(/\s+/).filter((each) => each !== '');
}
