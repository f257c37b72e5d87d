import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { damagedPrograms } from './damage.js';
import type { Program } from './program.js';
import { kinds, meanings } from './world.js';

const version = spawnSync('python3', ['-c', 'import sys; print(sys.version_info[:2] == (3, 11))'], {
  encoding: 'utf8',
});
const hasReference = version.status === 0 && version.stdout.trim() === 'True';

/** Runs each program of a JSON list and prints, for each, the exception and the line it points at. */
const complain = `
import io, json, sys
said = []
for text in json.loads(sys.argv[1]):
    sys.stdin = io.StringIO("5 9 6 0 7 8 4")
    try:
        exec(compile(text, "program", "exec"), {})
    except SyntaxError as error:
        message, number = error.msg, error.lineno
        name = type(error).__name__
    except Exception as error:
        message, number = str(error), error.__traceback__.tb_next.tb_lineno
        name = type(error).__name__
    said.append([f"{name}: {message}", f"line {number}: " + text.split(chr(10))[number - 1]])
print(json.dumps(said))
`;

describe('damagedPrograms', () => {
  const program: Program = [
    { operation: 'drop-first', operand: 1 },
    { operation: 'add', operand: 8 },
  ];

  it('lose each piece once, but never a cut its operand', () => {
    const texts = damagedPrograms(program, 1).map(({ text }) => text);
    expect(new Set(texts).size).toBe(1 + 2 + 3);
    expect(texts).toContain(
      'a = list(map(int, input().split()))\na = a[1:]\na = [x +  for x in a]\nprint(*a)',
    );
  });

  it('tell the judge what Python says', () => {
    expect(damagedPrograms(program, 4).map(({ feedback }) => feedback)).toEqual([
      "Runtime error on test 4\nNameError: name 'a' is not defined\nline 1: a = a[1:]",
      "Syntax error\nSyntaxError: unmatched ']'\nline 2: 1:]",
      'Syntax error\nSyntaxError: invalid decimal literal\nline 2: a = a[1a = [x + 8 for x in a]',
      "Syntax error\nSyntaxError: unmatched ']'\nline 3: 8 for x in a]",
      'Syntax error\nSyntaxError: invalid syntax\nline 3: a = [x +  for x in a]',
      'Syntax error\nSyntaxError: invalid decimal literal\nline 3: a = [x + 8print(*a)',
    ]);
  });

  (hasReference ? it : it.skip)(
    'fail in Python 3.11 with the same words (needs python3.11 as python3)',
    () => {
      const damaged = kinds.flatMap((kind) => damagedPrograms([meanings[kind][0]!, meanings.cut[7]!], 1));
      const texts = JSON.stringify(damaged.map(({ text }) => text));
      const { stdout } = spawnSync('python3', ['-c', complain, texts], { encoding: 'utf8' });
      expect(JSON.parse(stdout)).toEqual(damaged.map(({ feedback }) => feedback.split('\n').slice(1)));
    },
  );
});
