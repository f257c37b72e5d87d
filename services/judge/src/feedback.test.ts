import { describe, expect, it } from '@jest/globals';
import { Verdict } from '@backsight/contract/judge';
import { defaultFeedback, type FeedbackOptions, writeFeedback } from './feedback.js';
import type { Fate, Judgement, ProgramError, Test } from './judging/submission.js';

const stdio = (input: string, expected: string, hidden = false): Test => ({
  kind: 'stdio',
  input,
  expected,
  hidden,
});
const fate = (test: number, verdict: Verdict, rest: Partial<Fate> = {}): Fate => ({
  test,
  verdict,
  cpuMs: 1,
  wallMs: 1,
  peakMemoryBytes: 1,
  exitCode: 0,
  signal: undefined,
  limit: undefined,
  error: undefined,
  output: undefined,
  ...rest,
});
const wrong = (test: number, output: string, error?: ProgramError): Fate =>
  fate(test, Verdict.WRONG_ANSWER, { output, error });
const failed = (test: number, type: string, message: string, lines: readonly number[] = []): Fate =>
  fate(test, Verdict.RUNTIME_ERROR, { error: { type, message, lines } });

function feedback(
  tests: readonly Test[],
  fates: readonly Fate[],
  options: Partial<FeedbackOptions> = {},
  source = '',
): string {
  const verdict = fates.find((each) => each.verdict !== Verdict.ACCEPTED)?.verdict ?? Verdict.ACCEPTED;
  const judgement: Judgement = { verdict, fates, passed: 0, total: tests.length };
  return writeFeedback({ language: 'python', source, tests }, judgement, { ...defaultFeedback, ...options });
}

describe('writeFeedback', () => {
  it('says nothing of what is right', () => {
    expect(feedback([stdio('', '1')], [fate(0, Verdict.ACCEPTED)])).toBe('');
  });

  it('shows a wrong answer', () => {
    expect(
      feedback([stdio('', ''), stdio('1 2\n', '3\n')], [fate(0, Verdict.ACCEPTED), wrong(1, '4\n')]),
    ).toBe('Wrong answer on test 2\nInput: 1 2\nOutput: 4\nExpected: 3');
  });

  it('puts several lines below their label', () => {
    expect(feedback([stdio('1\n2\n', '2\n1\n')], [wrong(0, '')])).toBe(
      'Wrong answer on test 1\nInput:\n1\n2\nOutput:\nExpected:\n2\n1',
    );
  });

  it('shows what a function was called with', () => {
    const test: Test = {
      kind: 'call',
      name: 'f',
      argumentsJson: ['[1, 2]', '"x"'],
      expectedJson: '3',
      hidden: false,
    };
    expect(feedback([test], [wrong(0, 'null')])).toBe(
      'Wrong answer on test 1\nInput: f([1, 2], "x")\nOutput: null\nExpected: 3',
    );
  });

  it('shows the line of a check that failed, and its message', () => {
    const test: Test = {
      kind: 'assert',
      code: 'import math\n  assert f(1) == 2, "two"\nassert f(2)',
      hidden: false,
    };
    const error = { type: 'AssertionError', message: 'two', lines: [], checkLine: 2 };
    expect(feedback([test], [wrong(0, '', error)])).toBe(
      'Wrong answer on test 1\nCheck: assert f(1) == 2, "two"\nMessage: two',
    );
    expect(feedback([test], [failed(0, 'NameError', "name 'f' is not defined")])).toBe(
      [
        'Runtime error on test 1',
        "NameError: name 'f' is not defined",
        'Check:',
        'import math',
        '  assert f(1) == 2, "two"',
        'assert f(2)',
      ].join('\n'),
    );
  });

  it('shows an error with the last three lines of the program on its way', () => {
    const source = 'def f():\n    return 1 / 0\nf()\n\nx = 1';
    expect(
      feedback(
        [stdio('', '')],
        [failed(0, 'ZeroDivisionError', 'division by zero', [5, 3, 2, 9])],
        {},
        source,
      ),
    ).toBe('Runtime error on test 1\nZeroDivisionError: division by zero\nline 3: f()\nline 2: return 1 / 0');
    expect(feedback([stdio('', '')], [failed(0, '', 'Killed by SIGSEGV')])).toBe(
      'Runtime error on test 1\nKilled by SIGSEGV',
    );
  });

  it('shows what does not compile', () => {
    const judgement: Judgement = {
      verdict: Verdict.COMPILE_ERROR,
      fates: [],
      compileError: { type: 'SyntaxError', message: 'invalid syntax', lines: [2] },
      passed: 0,
      total: 1,
    };
    expect(
      writeFeedback(
        { language: 'python', source: 'x = 1\n  y = ', tests: [stdio('', '')] },
        judgement,
        defaultFeedback,
      ),
    ).toBe('Syntax error\nSyntaxError: invalid syntax\nline 2: y =');
  });

  it('shows what a compiler says', () => {
    const judgement: Judgement = {
      verdict: Verdict.COMPILE_ERROR,
      fates: [],
      compileError: { type: '', message: "error: 'x' was not declared in this scope", lines: [1] },
      passed: 0,
      total: 1,
    };
    const submission = { language: 'cpp', source: 'int main() { return x; }', tests: [stdio('', '')] };
    expect(writeFeedback(submission, judgement, defaultFeedback)).toBe(
      "Compile error\nerror: 'x' was not declared in this scope\nline 1: int main() { return x; }",
    );
  });

  it.each([
    [Verdict.TIME_LIMIT, 'Time limit exceeded on test 1\nInput: 5'],
    [Verdict.MEMORY_LIMIT, 'Memory limit exceeded on test 1'],
    [Verdict.OUTPUT_LIMIT, 'Output limit exceeded on test 1'],
  ])('words %s', (verdict, words) => {
    expect(feedback([stdio('5\n', '')], [fate(0, verdict)])).toBe(words);
  });

  it('lets the first error speak alone, else the first limit, else wrong answers', () => {
    const tests = Array.from({ length: 5 }, (_, index) => stdio(`${index}`, 'x'));
    const [w, t, m, e, e2] = [
      wrong(0, 'y'),
      fate(1, Verdict.TIME_LIMIT),
      fate(2, Verdict.MEMORY_LIMIT),
      failed(3, 'A', ''),
      failed(4, 'B', ''),
    ];
    expect(feedback(tests, [w, t, m, e, e2])).toBe('Runtime error on test 4\nA');
    expect(feedback(tests, [w, t, m])).toBe('Time limit exceeded on test 2\nInput: 1');
    expect(feedback(tests, [w])).toContain('Wrong answer on test 1');
  });

  it('shows the two wrong answers with the shortest input and output, the shortest first', () => {
    const tests = [stdio('long input', 'x'), stdio('mid', 'x'), stdio('s', 'x')];
    const shown = feedback(tests, [wrong(0, 'y'), wrong(1, 'y'), wrong(2, 'y')]);
    expect(shown.match(/test \d/g)).toEqual(['test 3', 'test 2']);
    expect(shown).toContain('Expected: x\n\nWrong answer on test 2');
    expect(feedback(tests, [wrong(0, 'y'), wrong(1, 'y')], { maxWrongAnswers: 1 })).not.toContain('test 1');
    expect(feedback(tests, [wrong(0, 'y')], { maxWrongAnswers: 0 })).toBe('');
  });

  it('draws wrong answers from the seed: repeatable, each as likely, in the order of the tests', () => {
    const tests = Array.from({ length: 4 }, () => stdio('i', 'x'));
    const fates = tests.map((_, index) => wrong(index, 'y'));
    const drawn = (seed: number) =>
      feedback(tests, fates, { selection: 'random', seed }).match(/test \d/g) ?? [];
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 600; seed++) {
      expect(drawn(seed)).toEqual(drawn(seed));
      expect(drawn(seed)).toEqual([...drawn(seed)].sort());
      counts.set(drawn(seed).join(), (counts.get(drawn(seed).join()) ?? 0) + 1);
    }
    // 6 pairs, 100 times each: 30 are more than three standard deviations, sqrt(600 * 1/6 * 5/6) = 9.1.
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 100)).toBeLessThan(30);
    expect(drawn(2 ** 52)).not.toEqual([]);
  });

  it('clips lines at 250 characters, values at 8 lines, the whole at the limit', () => {
    const long = feedback([stdio('a'.repeat(251), 'x')], [wrong(0, 'y')]);
    expect(long).toContain(`Input: ${'a'.repeat(250)}...\n`);
    const many = feedback([stdio('', 'x')], [wrong(0, 'l\n'.repeat(12))]);
    expect(many).toContain(`Output:\n${'l\n'.repeat(8)}... (4 more lines)\nExpected: x`);
    const whole = feedback([stdio('i\n'.repeat(8), 'x')], [wrong(0, 'b'.repeat(240))], {
      maxCharacters: 100,
    });
    expect(whole).toHaveLength(100);
    expect(whole.endsWith('...')).toBe(true);
    expect(feedback([stdio('', 'x')], [wrong(0, 'y')], { maxCharacters: 0 })).toBe('');
  });

  it('never cuts a character in two', () => {
    const shown = feedback([stdio('🙂'.repeat(300), 'x')], [wrong(0, 'y')], { maxCharacters: 60 });
    expect(Buffer.from(shown).toString()).toBe(shown);
    const line = feedback([stdio(`a${'🙂'.repeat(300)}`, 'x')], [wrong(0, 'y')]);
    expect(Buffer.from(line).toString()).toBe(line);
  });
});
