/** JSON values whose numbers keep their digits, so that results larger than 2^53 are compared as they are. */

/** A JSON value; Python's NaN and Infinity count as numbers. */
export type JsonValue =
  null | boolean | string | JsonNumber | readonly JsonValue[] | ReadonlyMap<string, JsonValue>;

/** A number as it was written. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

/** How far numbers may be apart. */
export interface Tolerance {
  readonly absolute: number;
  /** Relative to the expected number. */
  readonly relative: number;
}

const exactly: Tolerance = { absolute: 0, relative: 0 };
const deepest = 1000;
const token =
  /[ \t\n\r]*(?:([[\]{},:])|("[^"\\]*(?:\\.[^"\\]*)*")|(-?(?:Infinity|(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|NaN)|(true|false|null))/y;

/** Parses a JSON text; undefined when it is none. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    const reader = new Reader(text);
    const value = reader.value(0);
    return reader.atEnd() ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether two values are the same: 1 and 1.0 are, 1 and true are not. */
export function sameValue(actual: JsonValue, expected: JsonValue, tolerance = exactly): boolean {
  if (actual instanceof JsonNumber || expected instanceof JsonNumber) {
    if (!(actual instanceof JsonNumber && expected instanceof JsonNumber)) return false;
    return sameNumber(actual.text, expected.text, tolerance);
  }
  if (isArray(actual) || isArray(expected)) {
    if (!isArray(actual) || !isArray(expected) || actual.length !== expected.length) return false;
    return actual.every((each, index) => sameValue(each, expected[index] ?? null, tolerance));
  }
  if (isObject(actual) || isObject(expected)) {
    if (!isObject(actual) || !isObject(expected) || actual.size !== expected.size) return false;
    return [...actual].every(([key, each]) => {
      const other = expected.get(key);
      return other !== undefined && sameValue(each, other, tolerance);
    });
  }
  return actual === expected;
}

/** Whether two numerals mean numbers within the tolerance; without one, whole numbers are compared digit by digit. */
export function sameNumber(actual: string, expected: string, tolerance: Tolerance): boolean {
  if (actual === expected) return true;
  if (tolerance.absolute === 0 && tolerance.relative === 0) {
    const [ours, theirs] = [wholeNumber(actual), wholeNumber(expected)];
    if (ours !== undefined || theirs !== undefined) return ours === theirs;
  }
  const [a, b] = [Number(actual), Number(expected)];
  return a === b || Math.abs(a - b) <= Math.max(tolerance.absolute, tolerance.relative * Math.abs(b));
}

/** The digits of the whole number that a numeral means exactly, or that the double nearest to it is; undefined when none is. */
function wholeNumber(numeral: string): string | undefined {
  const [, sign, digits] = /^([+-]?)0*(\d+)$/.exec(numeral) ?? [];
  if (digits !== undefined) return sign === '-' && digits !== '0' ? `-${digits}` : digits;
  const value = Number(numeral);
  return Number.isInteger(value) ? String(BigInt(value)) : undefined;
}

/** A text that two values share exactly when they are the same without tolerance. */
export function canonicalText(value: JsonValue): string {
  if (value instanceof JsonNumber) return wholeNumber(value.text) ?? String(Number(value.text));
  if (isArray(value)) return `[${value.map(canonicalText).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const entries = [...value].map(([key, each]) => `${JSON.stringify(key)}:${canonicalText(each)}`);
  return `{${entries.sort().join()}}`;
}

/** Whether it is a list. */
export function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Whether it is an object. */
export function isObject(value: JsonValue): value is ReadonlyMap<string, JsonValue> {
  return value instanceof Map;
}

class Reader {
  private position = 0;

  constructor(private readonly text: string) {}

  atEnd(): boolean {
    return /^[ \t\n\r]*$/.test(this.text.slice(this.position));
  }

  value(depth: number): JsonValue {
    if (depth > deepest) throw new SyntaxError('too deep');
    const [, mark, quoted, numeral, word] = this.next();
    if (quoted !== undefined) return unquote(quoted);
    if (numeral !== undefined) return new JsonNumber(numeral);
    if (word !== undefined) return word === 'null' ? null : word === 'true';
    if (mark === '[') return this.array(depth);
    if (mark === '{') return this.object(depth);
    throw new SyntaxError('unexpected mark');
  }

  private array(depth: number): readonly JsonValue[] {
    const values: JsonValue[] = [];
    if (this.takes(']')) return values;
    for (;;) {
      values.push(this.value(depth + 1));
      if (this.takes(']')) return values;
      this.expect(',');
    }
  }

  private object(depth: number): ReadonlyMap<string, JsonValue> {
    const values = new Map<string, JsonValue>();
    if (this.takes('}')) return values;
    for (;;) {
      const key = this.next()[2];
      if (key === undefined) throw new SyntaxError('a key was expected');
      this.expect(':');
      values.set(unquote(key), this.value(depth + 1));
      if (this.takes('}')) return values;
      this.expect(',');
    }
  }

  private takes(mark: string): boolean {
    const before = this.position;
    if (this.next()[1] === mark) return true;
    this.position = before;
    return false;
  }

  private expect(mark: string): void {
    if (!this.takes(mark)) throw new SyntaxError(`${mark} was expected`);
  }

  private next(): readonly (string | undefined)[] {
    token.lastIndex = this.position;
    const match = token.exec(this.text);
    if (match === null) throw new SyntaxError('a token was expected');
    this.position = token.lastIndex;
    return match;
  }
}

function unquote(quoted: string): string {
  const value: unknown = JSON.parse(quoted);
  return String(value);
}
