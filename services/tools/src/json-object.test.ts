import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readObject } from './json-object.js';

describe('readObject', () => {
  it('reads what JSON.stringify writes, wherever it stands, and where it ends', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.string(),
        (before, value, after) => {
          for (const space of [undefined, 2]) {
            const json = JSON.stringify(value, undefined, space);
            const reading = readObject(before + json + after, before.length);
            expect(reading).toEqual({
              kind: 'object',
              value: JSON.parse(json) as unknown,
              end: before.length + json.length,
            });
          }
        },
      ),
    );
  });

  it('accepts a text exactly when JSON.parse does', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      "'",
      '1',
      '-0',
      '01',
      '1e5',
      '.5',
      'true',
      'nul',
      ' ',
      '\n',
      '"\\u00',
      '\\',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const text = `{${parts.join('')}`;
        const reading = readObject(text, 0);
        const whole = reading.kind === 'object' && text.slice(reading.end).trim() === '';
        let parses = true;
        try {
          JSON.parse(text);
        } catch {
          parses = false;
        }
        expect(whole).toBe(parses);
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[string, string, number]>([
    ["{'a': 1}", 'expected a name in double quotes, but there is "\'"', 1],
    ['{"a": 1', 'expected "," or "}", but the answer ends', 7],
    ['{"a": 1,}', 'expected a name in double quotes, but there is "}"', 8],
    ['{"a" 1}', 'expected ":", but there is "1"', 5],
    ['{"a": [1 2]}', 'expected "," or "]", but there is "2"', 9],
    ['{"a": None}', 'expected a value, but there is "N"', 6],
    ['{"a": "line\nbreak"}', 'a text that does not end, or holds a character it must not', 6],
    [`{"a": ${'['.repeat(5000)}`, 'nested deeper than 64', 69],
  ])('says what is wrong with %j, and where', (text, problem, at) => {
    expect(readObject(text, 0)).toEqual({ kind: 'broken', problem, at });
  });

  it('gives an object named members only, whatever their names', () => {
    const reading = readObject('{"__proto__": {"polluted": true}}', 0);
    expect(reading).toMatchObject({ kind: 'object', end: 33 });
    expect('polluted' in {}).toBe(false);
  });
});
