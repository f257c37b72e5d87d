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

function strippedLines(text: string): readonly string[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim());
}

function sameLine(actual: string, expected: string): boolean {
  if (actual === expected) return true;
  const [ours, theirs] = [decimals(actual), decimals(expected)];
  if (ours === undefined || theirs === undefined || ours.length !== theirs.length) return false;
  return ours.every((each, at) => each === theirs[at]);
}

/** The numbers of a line in one spelling each; undefined when one of its words is no number. */
function decimals(line: string): readonly string[] | undefined {
  const words = line.split(/\s+/).filter((word) => word !== '');
  const numbers = words.map(canonical);
  return numbers.includes(undefined) ? undefined : numbers.filter((number) => number !== undefined);
}

const decimal = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?$/;

/** A numeral as sign, digits without zeros at the ends, and exponent: equal decimals, and no others, are alike. */
function canonical(word: string): string | undefined {
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(word);
  if (infinite !== null) return `${infinite[1] === '-' ? '-' : ''}infinity`;
  const match = decimal.exec(word);
  if (match === null) return undefined;
  const [, sign, whole = '', part = '', bare = '', exponent = '0'] = match;
  const digits = whole + part + bare;
  const significant = digits.replace(/^0+/, '').replace(/0+$/, '');
  if (significant === '') return '0';
  const trailing = digits.length - digits.replace(/0+$/, '').length;
  const scale = BigInt(exponent) - BigInt(part.length + bare.length) + BigInt(trailing);
  return `${sign === '-' ? '-' : ''}${significant}e${scale}`;
}

function withoutBooleans(value: JsonValue): JsonValue {
  if (typeof value === 'boolean') return new JsonNumber(value ? '1' : '0');
  if (isArray(value)) return value.map(withoutBooleans);
  if (isObject(value)) return new Map([...value].map(([key, each]) => [key, withoutBooleans(each)]));
  return value;
}
