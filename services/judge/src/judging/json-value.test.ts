import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isArray,
  isObject,
  JsonNumber,
  type JsonValue,
  parseJson,
  sameNumber,
  sameValue,
} from './json-value.js';

const parsed = (text: string): JsonValue => {
  const value = parseJson(text);
  if (value === undefined) throw new SyntaxError(text);
  return value;
};
const plain = (value: JsonValue): unknown => {
  if (value instanceof JsonNumber) return Number(value.text);
  if (isObject(value)) return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]));
  return isArray(value) ? value.map(plain) : value;
};

describe('parseJson', () => {
  it('reads what JSON.parse reads, alike', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        // __proto__ is an ordinary key here.
        fc.pre(!text.includes('__proto__'));
        expect(plain(parsed(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses what JSON.parse refuses, but for what Python writes for numbers that are none', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'[]{},:"\\-+.0e1 ntrueflsNaI'.split('')) }),
        (text) => {
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          fc.pre(!/NaN|Infinity/.test(text));
          expect(parseJson(text) !== undefined).toBe(valid);
        },
      ),
      { numRuns: 2000 },
    );
    expect(plain(parsed('[NaN, Infinity, -Infinity]'))).toEqual([NaN, Infinity, -Infinity]);
  });

  it('keeps the digits of a number', () => {
    expect(parsed('123456789012345678901234567890.10')).toEqual(
      new JsonNumber('123456789012345678901234567890.10'),
    );
  });

  it('gives up on nesting that would exhaust the stack', () => {
    expect(parseJson('['.repeat(100_000))).toBeUndefined();
    expect(parseJson(`${'['.repeat(900)}${']'.repeat(900)}`)).toBeDefined();
  });
});

describe('sameValue', () => {
  it('holds between a value and itself, however it was written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(sameValue(parsed(JSON.stringify(value)), parsed(JSON.stringify(value, null, 2)))).toBe(true);
      }),
    );
  });

  it('tells values of different kinds apart', () => {
    const kinds = ['null', 'true', 'false', '0', '1', '""', '"0"', '[]', '[null]', '{}', '{"a": null}'];
    for (const [at, one] of kinds.entries()) {
      for (const [other, two] of kinds.entries()) {
        expect([one, two, sameValue(parsed(one), parsed(two))]).toEqual([one, two, at === other]);
      }
    }
  });
});

describe('sameNumber', () => {
  const exactly = { absolute: 0, relative: 0 };

  it('compares whole numbers of any length digit by digit', () => {
    const long = '9'.repeat(400);
    expect(sameNumber(`+${long}`, long, exactly)).toBe(true);
    expect(sameNumber(`${long.slice(1)}8`, long.slice(1) + '9', exactly)).toBe(false);
    expect(sameNumber('-0', '0', exactly)).toBe(true);
  });

  it('measures the relative tolerance by the expected number', () => {
    const tenth = { absolute: 0, relative: 0.1 };
    expect(sameNumber('110', '100', tenth)).toBe(true);
    expect(sameNumber('100', '90', tenth)).toBe(false);
  });

  it('finds NaN the same only as it is written', () => {
    expect(sameNumber('NaN', 'NaN', exactly)).toBe(true);
    expect(sameNumber('NaN', '1', { absolute: 1e9, relative: 1 })).toBe(false);
    expect(sameNumber('Infinity', '-Infinity', { absolute: 1, relative: 0 })).toBe(false);
  });
});
