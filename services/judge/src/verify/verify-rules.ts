/** The judge's LiveCodeBench rules against the same rules in Python's own types, on generated cases. */
import { spawn } from 'node:child_process';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';
import { z } from 'zod';
import { acceptsOutput, acceptsResult } from '../judging/checkers.js';
import type { Checker } from '../judging/submission.js';

/** A rule and what it compares. */
export type RuleCase = readonly ['output' | 'result', actual: string, expected: string];

/** How far the two agree. */
export interface RulesReport {
  readonly cases: number;
  readonly agreed: number;
  /** Cases that both accept: agreement is about something. */
  readonly accepted: number;
  readonly disagreements: readonly RuleCase[];
}

const checker: Checker = { kind: 'live-code-bench', absoluteTolerance: 0, relativeTolerance: 0 };
const blanks = [
  '',
  ' ',
  '  ',
  '\t',
  '\n',
  '\r\n',
  '\n\n',
  '\u00a0',
  '\u3000',
  '\v',
  '\f',
  '\x1c',
  '\x85',
  '\ufeff',
];
const words = [
  ...[
    '0',
    '-0',
    '+0',
    '00',
    '1',
    '-1',
    '+1',
    '1.',
    '.1',
    '1.0',
    '01',
    '10',
    '1e1',
    '1E+1',
    '1e-1',
    '0.1',
    '0.10',
  ],
  ...[
    '100',
    '1e2',
    '1e400',
    '1e999999',
    '-1e2',
    '9007199254740993',
    '9007199254740992',
    '9007199254740992.0',
  ],
  ...['inf', '-inf', 'Infinity', '+INF', 'nan', 'NaN', '-nan', 'sNaN', '1_000', '1000', '_1', '1_', '1__0'],
  ...['', 'a', 'A', 'yes', 'YES', '1,2', '0x10', '1e', 'e1', '.', '-', '--1', '1.2.3'],
];
const values = [
  ...['0', '-0', '1', '1.0', '10', '1e1', '0.1', '0.10000000000000001', '0.30000000000000004', '0.3', '-0.0'],
  ...[
    '9007199254740993',
    '9007199254740992',
    '9007199254740992.0',
    '9007199254740993.0',
    '1e400',
    'Infinity',
  ],
  ...['true', 'false', 'null', '""', '"1"', '"true"', '"\\u0041"', '"A"', '[]', '[[]]', '{}'],
];

/** Generates cases from a seed, every second of each rule, and asks both. */
export async function verifyRules(
  python: string,
  oracle: string,
  count: number,
  seed: number,
): Promise<RulesReport> {
  const cases = generate(count, seed);
  const theirs = await askOracle(python, oracle, cases);
  const ours = cases.map(([rule, actual, expected]) =>
    rule === 'output'
      ? acceptsOutput(checker, Buffer.from(actual), expected)
      : acceptsResult(checker, actual, expected),
  );
  const disagreements = cases.filter((_, index) => ours[index] !== theirs[index]);
  return {
    cases: cases.length,
    agreed: cases.length - disagreements.length,
    accepted: theirs.filter((accepts) => accepts).length,
    disagreements,
  };
}

/** Texts that are alike but for a word or a blank here and there, so that most cases are close calls. */
function generate(count: number, seed: number): readonly RuleCase[] {
  const random = mersenne(seed);
  const below = (limit: number): number => uniformInt(random, 0, limit - 1);
  const one = (of: readonly string[]): string => of[below(of.length)] ?? '';
  const either = (text: string, of: readonly string[]): string => (below(4) === 0 ? one(of) : text);
  return Array.from({ length: count }, (_, index): RuleCase => {
    if (index % 2 === 0) {
      const parts = Array.from({ length: 1 + below(3) }, () => one(words));
      const gaps = ['', ...parts].map(() => one(blanks) || ' ');
      const text = (change: boolean): string =>
        parts
          .map((word, at) =>
            change ? either(gaps[at] ?? '', blanks) + either(word, words) : (gaps[at] ?? '') + word,
          )
          .join('') + (change ? one(blanks) : '');
      return ['output', text(true), text(false)];
    }
    const parts = Array.from({ length: 1 + below(2) }, () => one(values));
    const text = (change: boolean): string =>
      parts.map((value) => (change ? either(value, values) : value)).join(', ');
    const shape = one(['[$]', '{"a": [$]}', '[[$], 1]']);
    return ['result', shape.replace('$', text(true)), shape.replace('$', text(false))];
  });
}

function askOracle(python: string, oracle: string, cases: readonly RuleCase[]): Promise<readonly boolean[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, ['-I', oracle], { env: {}, stdio: ['pipe', 'pipe', 'inherit'] });
    const pieces: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(z.array(z.boolean()).parse(JSON.parse(Buffer.concat(pieces).toString())));
      else reject(new Error(`the oracle ended with code ${String(code)}`));
    });
    child.stdin.end(JSON.stringify(cases));
  });
}
