/** How LiveCodeBench's own checker compares (testing_util.py): by stripped lines, numbers by their decimal value. */
import { isArray, isObject, JsonNumber, type JsonValue, sameValue } from './json-value.js';

/** Whether an output is right: as many lines, each equal when stripped, or equal as decimals one by one. */
export function sameOutput(actual: string, expected: string): boolean {
  const [ours, theirs] = [strippedLines(actual), strippedLines(expected)];
  return ours.length === theirs.length && ours.every((line, at) => sameLine(line, theirs[at] ?? ''));
}

/** Whether a result is right: as Python's == on JSON values, where True is 1. */
export function sameResult(actual: JsonValue, expected: JsonValue): boolean {
  return sameValue(withoutBooleans(actual), withoutBooleans(expected));
}

/** What Python takes for blank, which is not what JavaScript does. */
const blank = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const aBlank = new RegExp(blank);
const blanksBetween = new RegExp(`${blank}+`);

function strippedLines(text: string): readonly string[] {
  return strip(text).split('\n').map(strip);
}

/** Looks at each character once: a program may print millions of blanks. */
function strip(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && aBlank.test(text.charAt(start))) start += 1;
  while (end > start && aBlank.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function sameLine(actual: string, expected: string): boolean {
  if (actual === expected) return true;
  const [ours, theirs] = [decimals(actual), decimals(expected)];
  if (ours === undefined || theirs === undefined || ours.length !== theirs.length) return false;
  return ours.every((each, at) => each === theirs[at]);
}

/** The numbers of a line in one spelling each; undefined when one of its words is no number. */
function decimals(line: string): readonly string[] | undefined {
  const words = line.split(blanksBetween).filter((word) => word !== '');
  const numbers = words.map(canonical);
  return numbers.includes(undefined) ? undefined : numbers.filter((number) => number !== undefined);
}

const decimal = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?$/;

/**
 * A numeral as sign, digits without zeros at the ends, and exponent: equal decimals, and no others, are alike. As in
 * Python underscores do not count; digits of other scripts do in Python alone.
 */
function canonical(word: string): string | undefined {
  const plain = word.replaceAll('_', '');
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(plain);
  if (infinite !== null) return `${infinite[1] === '-' ? '-' : ''}infinity`;
  const match = decimal.exec(plain);
  // Longer exponents are no numbers to Python either.
  if (match === null || (match[5] ?? '').length > 20) return undefined;
  const [, sign, whole = '', part = '', bare = '', exponent = '0'] = match;
  const digits = whole + part + bare;
  let [start, end] = [0, digits.length];
  while (start < end && digits.charAt(start) === '0') start += 1;
  while (end > start && digits.charAt(end - 1) === '0') end -= 1;
  if (start === end) return '0';
  const scale = BigInt(exponent) - BigInt(part.length + bare.length) + BigInt(digits.length - end);
  return `${sign === '-' ? '-' : ''}${digits.slice(start, end)}e${scale}`;
}

function withoutBooleans(value: JsonValue): JsonValue {
  if (typeof value === 'boolean') return new JsonNumber(value ? '1' : '0');
  if (isArray(value)) return value.map(withoutBooleans);
  if (isObject(value)) return new Map([...value].map(([key, each]) => [key, withoutBooleans(each)]));
  return value;
}
