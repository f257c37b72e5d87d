import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readProgram, runProgram, writeProgram, type Program } from './program.js';
import { kinds, meanings } from './world.js';

const everyMeaning = kinds.flatMap((kind) => meanings[kind]);
const programs = fc.array(fc.constantFrom(...everyMeaning), { maxLength: 3 });

describe('writeProgram', () => {
  it('writes the program of DESIGN', () => {
    const program: Program = [
      { operation: 'drop-first', operand: 1 },
      { operation: 'add', operand: 8 },
    ];
    expect(writeProgram(program)).toBe(
      'a = list(map(int, input().split()))\na = a[1:]\na = [x + 8 for x in a]\nprint(*a)',
    );
  });
});

describe('readProgram', () => {
  it('reads back what writeProgram writes', () => {
    fc.assert(
      fc.property(programs, (program) => {
        expect(readProgram(writeProgram(program))).toEqual(program);
      }),
    );
  });

  it.each(['', 'print(*a)', 'a = list(map(int, input().split()))\na = a[x:]\nprint(*a)', 'a = 1\nprint(*a)'])(
    'knows no other program, such as %j',
    (text) => {
      expect(readProgram(text)).toBeUndefined();
    },
  );
});

/** Runs each program of a JSON list on one input line and prints the list of what they print. */
const runAll = `
import contextlib, io, json, sys
printed = []
for text in json.loads(sys.argv[1]):
    out = io.StringIO()
    sys.stdin = io.StringIO(sys.argv[2])
    with contextlib.redirect_stdout(out):
        exec(text, {})
    printed.append(out.getvalue())
print(json.dumps(printed))
`;
const python = spawnSync('python3', ['-c', '']).status === 0;

describe('runProgram', () => {
  it('applies one meaning after the other', () => {
    const program: Program = [
      { operation: 'keep-above', operand: 4 },
      { operation: 'keep-first', operand: 2 },
      { operation: 'multiply', operand: 3 },
    ];
    expect(runProgram(program, [5, 9, 6, 0, 7, 8, 4])).toEqual([15, 27]);
  });

  (python ? it : it.skip)('prints what Python prints (needs python3)', () => {
    const input = [5, 9, 6, 0, 7, 8, 4];
    const programs = everyMeaning.flatMap((first) => [
      [first],
      [first, { operation: 'add', operand: 1 } as const],
    ]);
    const texts = JSON.stringify(programs.map(writeProgram));
    const { stdout } = spawnSync('python3', ['-c', runAll, texts, input.join(' ')], { encoding: 'utf8' });
    expect(JSON.parse(stdout)).toEqual(
      programs.map((program) => `${runProgram(program, input).join(' ')}\n`),
    );
  });
});
