import { describe, expect, it } from '@jest/globals';
import { CheckerKind } from '@backsight/contract/judge';
import { acceptsOutput, acceptsResult } from './checkers.js';
import type { Checker } from './submission.js';

const by: Checker = { kind: 'live-code-bench', absoluteTolerance: 0, relativeTolerance: 0 };

describe('sameOutput', () => {
  it.each([
    // lines, stripped on both sides, as many of them
    ['a\nb', 'a\nb\n', true],
    ['  a\nb  ', 'a\n b', true],
    ['\n\na', 'a', true],
    ['a\n\nb', 'a\nb', false],
    ['a b', 'a\nb', false],
    ['a\r\nb\r\n', 'a\nb', true],
    ['', '', true],
    ['', 'a', false],
    ['A', 'a', false],
    // inside a line only numbers may be apart in spelling
    ['a  b', 'a b', false],
    ['1  2', '1 2', true],
    ['1 x', '1.0 x', false],
    // numbers by their decimal value, exactly
    ['1.0', '1', true],
    ['1e2', '100', true],
    ['+1 -0 .5 5.', '1 0 0.50 5', true],
    ['0.1', '0.10000000000000001', false],
    ['0.30000000000000004', '0.3', false],
    ['1e400', `1${'0'.repeat(400)}`, true],
    ['100000000000000000001', '100000000000000000000', false],
    ['-1', '1', false],
    ['1', '10', false],
    ['0.01', '0.1', false],
    ['1 2', '1', false],
    ['inf', 'Infinity', true],
    ['inf', '-inf', false],
    ['nan', 'NaN', false],
    ['nan', 'nan', true],
  ])('holds %j against %j: %s', (actual, expected, right) => {
    expect(acceptsOutput(by, Buffer.from(actual), expected)).toBe(right);
  });

  it('is stricter than tokens within a tolerance', () => {
    const floats: Checker = { ...by, kind: CheckerKind.FLOATS };
    expect(acceptsOutput(floats, Buffer.from('1\n2'), '1 2')).toBe(true);
    expect(acceptsOutput(by, Buffer.from('1\n2'), '1 2')).toBe(false);
  });
});

describe('sameResult', () => {
  it.each([
    ['[1, 2]', '[1, 2]', true],
    ['1.0', '1', true],
    ['true', '1', true],
    ['[false]', '[0]', true],
    ['{"a": true}', '{"a": 1}', true],
    ['"1"', '1', false],
    ['null', '0', false],
    ['[1, 2]', '[2, 1]', false],
    ['0.30000000000000004', '0.3', false],
  ])('holds %s against %s: %s', (actual, expected, right) => {
    expect(acceptsResult(by, actual, expected)).toBe(right);
  });
});
