import { describe, expect, it } from '@jest/globals';
import { CheckerKind } from '@backsight/contract/judge';
import { acceptsOutput, acceptsResult } from './checkers.js';
import type { Checker } from './submission.js';

const checker = (kind: CheckerKind, absoluteTolerance = 0, relativeTolerance = 0): Checker => ({
  kind,
  absoluteTolerance,
  relativeTolerance,
});
const accepts = (by: Checker, output: string, expected: string): boolean =>
  acceptsOutput(by, Buffer.from(output), expected);

describe('acceptsOutput', () => {
  it.each([
    ['a\n', 'a\n', true],
    ['a', 'a\n', false],
    ['a ', 'a', false],
    ['', '', true],
  ])('compares byte for byte: %j with %j', (output, expected, right) => {
    expect(accepts(checker(CheckerKind.EXACT), output, expected)).toBe(right);
  });

  it.each([CheckerKind.TRIMMED_LINES, CheckerKind.UNSPECIFIED])('compares trimmed lines (%s)', (kind) => {
    const by = checker(kind);
    expect(accepts(by, 'a  \nb\t\r\n\n\n', 'a\nb')).toBe(true);
    expect(accepts(by, 'a\nb', 'a\nb\n \n')).toBe(true);
    expect(accepts(by, '', '\n')).toBe(true);
    expect(accepts(by, ' a', 'a')).toBe(false);
    expect(accepts(by, 'a\n\nb', 'a\nb')).toBe(false);
    expect(accepts(by, 'a b', 'a  b')).toBe(false);
    expect(accepts(by, 'a', 'a\nb')).toBe(false);
    expect(accepts(by, 'a\nb', 'a')).toBe(false);
  });

  it('compares tokens with any blanks between', () => {
    const by = checker(CheckerKind.TOKENS);
    expect(accepts(by, '  1\n2\t3 ', '1 2 3')).toBe(true);
    expect(accepts(by, '12 3', '1 2 3')).toBe(false);
    expect(accepts(by, '1 2', '1 2 3')).toBe(false);
    expect(accepts(by, '1 2 3 4', '1 2 3')).toBe(false);
    expect(accepts(by, '1.0', '1')).toBe(false);
  });

  it('compares numbers within either tolerance, and words as they are', () => {
    const by = checker(CheckerKind.FLOATS, 1e-6, 1e-9);
    expect(accepts(by, 'x 1.0000009', 'x 1')).toBe(true);
    expect(accepts(by, 'x 1.0000011', 'x 1')).toBe(false);
    // Relative to the expected number: 1e12 * 1e-9 = 1e3.
    expect(accepts(by, '1000000000999', '1e12')).toBe(true);
    expect(accepts(by, '1000000001001', '1e12')).toBe(false);
    expect(accepts(by, 'y 1', 'x 1')).toBe(false);
    expect(accepts(by, '1 1', '1')).toBe(false);
    expect(accepts(by, 'nan', '1')).toBe(false);
    expect(accepts(by, 'inf', '1e400')).toBe(false);
    expect(accepts(by, '0x1', '1')).toBe(false);
    expect(accepts(checker(CheckerKind.FLOATS), '.5 -0 +7 1E2', '0.5 0 7 100.0')).toBe(true);
  });

  it('compares lines in any order, each as often as expected', () => {
    const by = checker(CheckerKind.UNORDERED_LINES);
    expect(accepts(by, 'b \na\n\n', 'a\nb')).toBe(true);
    expect(accepts(by, 'a\na\nb', 'a\nb\nb')).toBe(false);
    expect(accepts(by, 'a', 'a\nb')).toBe(false);
  });

  it('never takes bytes that are no UTF-8 for text, whatever a lenient reader would make of them', () => {
    const broken = Uint8Array.of(0x61, 0xff);
    for (const kind of Object.values(CheckerKind)) {
      expect(acceptsOutput(checker(kind, 1, 1), broken, 'a\ufffd')).toBe(false);
    }
  });

  it('keeps a byte order mark', () => {
    expect(accepts(checker(CheckerKind.TOKENS), '\ufeffa', '\ufeffa')).toBe(true);
    expect(accepts(checker(CheckerKind.EXACT), '\ufeffa', 'a')).toBe(false);
  });
});

describe('acceptsResult', () => {
  const exact = checker(CheckerKind.EXACT);

  it.each([
    ['[1, 2]', '[1,2]', true],
    ['1', '1.0', true],
    ['true', '1', false],
    ['null', '0', false],
    ['"1"', '1', false],
    ['{"a": 1, "b": [2]}', '{"b": [2], "a": 1}', true],
    ['{"a": 1}', '{"a": 1, "b": null}', false],
    ['9007199254740993', '9007199254740992', false],
    ['[NaN]', '[NaN]', true],
    ['[1, 2', '[1, 2]', false],
    ['', 'null', false],
  ])('compares JSON values: %s with %s', (result, expected, right) => {
    expect(acceptsResult(exact, result, expected)).toBe(right);
  });

  it('allows floats their tolerance, at any depth', () => {
    const by = checker(CheckerKind.FLOATS, 1e-3);
    expect(acceptsResult(by, '{"a": [1.0005]}', '{"a": [1]}')).toBe(true);
    expect(acceptsResult(by, '{"a": [1.002]}', '{"a": [1]}')).toBe(false);
    expect(acceptsResult(exact, '1.0000000001', '1')).toBe(false);
  });

  it('allows lists any order where lines may have any', () => {
    const by = checker(CheckerKind.UNORDERED_LINES);
    expect(acceptsResult(by, '[[2], 1, 1]', '[1, [2], 1]')).toBe(true);
    expect(acceptsResult(by, '[1, 2, 2]', '[1, 1, 2]')).toBe(false);
    expect(acceptsResult(by, '[1]', '[1, 1]')).toBe(false);
    expect(acceptsResult(by, '1', '1')).toBe(true);
    expect(acceptsResult(exact, '[2, 1]', '[1, 2]')).toBe(false);
  });
});

describe('every checker', () => {
  const long = 300_000;
  it.each([
    ['zeros', '0'.repeat(long) + '1', '1'],
    ['digits', '7'.repeat(long), '8'.repeat(long)],
    ['a fraction', `0.${'0'.repeat(long)}1`, '0'],
    ['blanks', `a${' '.repeat(long)}b`, 'a b'],
    ['empty lines', `a${'\n'.repeat(long)}b`, 'a\nb'],
    ['a string', JSON.stringify('a"'.repeat(long)), '""'],
    ['a list', `[${'1,'.repeat(long)}1]`, '[1]'],
    ['a nest', '['.repeat(long), '[]'],
  ])('is done soon with very many characters of %s', (_name, actual, expected) => {
    const started = process.cpuUsage();
    const kinds = Object.values(CheckerKind).filter((kind) => kind !== CheckerKind.PROGRAM);
    for (const kind of [...kinds, 'live-code-bench'] as const) {
      const by: Checker = { kind, absoluteTolerance: 0, relativeTolerance: 0 };
      acceptsOutput(by, Buffer.from(actual), expected);
      acceptsResult(by, actual, expected);
    }
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(5000);
  });
});
