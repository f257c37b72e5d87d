import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { defaultFeedback, writeFeedback } from '../feedback.js';
import { judgeSubmission } from '../judging/judge-submission.js';
import type { Submission, Test } from '../judging/submission.js';
import { cppPrograms } from '../trials/cpp-programs.js';
import { goPrograms } from '../trials/go-programs.js';
import { javaPrograms } from '../trials/java-programs.js';
import { javascriptPrograms } from '../trials/javascript-programs.js';
import { rustPrograms } from '../trials/rust-programs.js';
import { trialLimits } from '../trials/trial.js';
import { leftGroups, leftProcesses, slotPids } from './leftovers.js';
import { itIn, openRealSandbox, testUsers, whyNoSandbox } from './real-sandbox.js';
import type { Sandbox } from './sandbox.js';

const missing = await whyNoSandbox();
const where = missing === undefined ? describe : describe.skip;

where(`programs that are not Python${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let sandbox: Sandbox;
  let slots: readonly number[] = [];
  beforeAll(async () => {
    sandbox = await openRealSandbox();
    // On a machine that has not seen it yet, Go's library is compiled now.
    if (sandbox.languages.some(({ name }) => name === 'go'))
      await judge(submissionOf('go', 'package main\n\nfunc main() {}\n', [stdio('')]));
  }, 240_000);
  afterAll(async () => {
    slots = slotPids();
    await sandbox.close();
    expect(slots.length).toBeGreaterThan(2);
    expect(await leftGroups(slots)).toEqual([]);
    expect(await leftProcesses(testUsers.first, testUsers.count)).toEqual([]);
  });

  const submissionOf = (language: string, source: string, tests: readonly Test[]): Submission => ({
    language,
    source,
    tests,
    checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
    limits: { ...trialLimits, cpuMs: 1500, wallMs: 6000, memoryBytes: 128 << 20 },
    stopAtFirstFailure: false,
  });
  const judge = (submission: Submission) =>
    judgeSubmission(sandbox, submission, new AbortController().signal);
  const feedback = async (submission: Submission): Promise<string> =>
    writeFeedback(submission, await judge(submission), defaultFeedback);
  const stdio = (expected: string, input = ''): Test => ({ kind: 'stdio', input, expected, hidden: false });
  const call = (name: string, argumentsJson: readonly string[], expectedJson: string): Test => ({
    kind: 'call',
    name,
    argumentsJson,
    expectedJson,
    hidden: false,
  });

  const programs = [cppPrograms, javascriptPrograms, javaPrograms, rustPrograms, goPrograms].flat();
  for (const trial of programs) {
    const {
      name,
      language = '',
      source,
      input,
      expected = '',
      limits,
      limit,
      verdict,
      orVerdict = [],
    } = trial;
    itIn(language)(`judges in ${language}: ${name}`, async () => {
      const submission = submissionOf(language, source, [stdio(expected, input)]);
      const judgement = await judge({ ...submission, limits: { ...trialLimits, ...limits } });
      expect([verdict, ...orVerdict]).toContain(judgement.verdict);
      if (limit !== undefined) expect(limit).toContain(judgement.fates[0]?.limit);
      expect(await leftProcesses(testUsers.first, testUsers.count)).toEqual([]);
    });
  }

  itIn('cpp')('compiles C++ once for all tests, and not again for the same program', async () => {
    const source =
      '#include <iostream>\n#include <regex>\nint main() { int n; std::cin >> n; std::cout << 2 * n; }';
    const timed = async (text: string, tests: readonly Test[]): Promise<number> => {
      const started = performance.now();
      expect(await judge(submissionOf('cpp', text, tests))).toMatchObject({ verdict: Verdict.ACCEPTED });
      return performance.now() - started;
    };
    // Both slots have started before the clock does.
    await Promise.all([1, 2].map((n) => timed(`int main() { return ${n} - ${n}; }`, [stdio('')])));
    const first = await timed(source, [stdio('2', '1'), stdio('4', '2'), stdio('6', '3')]);
    const again = [await timed(source, [stdio('8', '4')]), await timed(source, [stdio('10', '5')])];
    expect(Math.min(...again)).toBeLessThan(first / 2);
  });

  itIn('cpp')('words what a compiler says', async () => {
    expect(await feedback(submissionOf('cpp', 'int main() {\n  return x;\n}', [stdio('')]))).toBe(
      'Compile error\nerror: ‘x’ was not declared in this scope\nline 2: return x;',
    );
    expect(await feedback(submissionOf('cpp', 'int f();\nint main() { return f(); }', [stdio('')]))).toBe(
      "Compile error\nundefined reference to `f()'",
    );
  });

  itIn('java')('words what javac and the runtime of Java say', async () => {
    const main = (statement: string): string =>
      `public class Main {\n  static int f(int[] a, int i) {\n    return a[i];\n  }\n  public static void main(String[] args) {\n    ${statement}\n  }\n}`;
    expect(await feedback(submissionOf('java', main('int x = y;'), [stdio('')]))).toBe(
      'Compile error\nerror: cannot find symbol (variable y)\nline 6: int x = y;',
    );
    expect(await feedback(submissionOf('java', 'class A {}', [stdio('')]))).toBe(
      'Compile error\nerror: no class has a method public static void main(String[] args)',
    );
    expect(await feedback(submissionOf('java', main('f(new int[2], 5);'), [stdio('')]))).toBe(
      'Runtime error on test 1\njava.lang.ArrayIndexOutOfBoundsException: Index 5 out of bounds for length 2\n' +
        'line 6: f(new int[2], 5);\nline 3: return a[i];',
    );
  });

  itIn('rust')('words what rustc and a panic say', async () => {
    expect(await feedback(submissionOf('rust', 'fn main() {\n  let x: i32 = "a";\n}', [stdio('')]))).toBe(
      'Compile error\nerror: mismatched types: expected `i32`, found `&str`\nline 2: let x: i32 = "a";',
    );
    const source = 'fn main() {\n  let n: Option<i32> = None;\n  n.expect("a number");\n}';
    expect(await feedback(submissionOf('rust', source, [stdio('')]))).toBe(
      'Runtime error on test 1\npanic: a number\nline 3: n.expect("a number");',
    );
  });

  itIn('go')('words what the compiler of Go and a panic say', async () => {
    const main = (imports: string, statement: string): string =>
      `package main\n\n${imports}\n\nfunc f(a []int, i int) int {\n\treturn a[i]\n}\n\nfunc main() {\n\t${statement}\n}`;
    expect(await feedback(submissionOf('go', main('', 'x := 1'), [stdio('')]))).toBe(
      'Compile error\ndeclared and not used: x\nline 10: x := 1',
    );
    expect(await feedback(submissionOf('go', main('import "net/http"', 'http.Get("")'), [stdio('')]))).toBe(
      'Compile error\ncould not import net/http\nline 3: import "net/http"',
    );
    expect(await feedback(submissionOf('go', 'package main\n', [stdio('')]))).toBe(
      'Compile error\nfunction main is undeclared in the main package',
    );
    expect(await feedback(submissionOf('go', main('', 'println(f([]int{1}, 3))'), [stdio('')]))).toBe(
      'Runtime error on test 1\npanic: runtime error: index out of range [3] with length 1\n' +
        'line 10: println(f([]int{1}, 3))\nline 6: return a[i]',
    );
  });

  itIn('cpp')('words what libstdc++ says', async () => {
    const source = '#include <vector>\nint main() {\n  std::vector<int>().at(1);\n}';
    expect(await feedback(submissionOf('cpp', source, [stdio('')]))).toMatch(
      /^Runtime error on test 1\nstd::out_of_range: vector::_M_range_check: .*$/,
    );
  });

  it('words what Node.js says of a program that does not parse', async () => {
    expect(await feedback(submissionOf('javascript', 'const a = 1;\nconst b = ;\n', [stdio('')]))).toBe(
      "Syntax error\nSyntaxError: Unexpected token ';'\nline 2: const b = ;",
    );
  });

  it('words the errors of JavaScript, with the lines on their way', async () => {
    const source = 'function f(x) {\n  return x.y.z;\n}\nconsole.log(1);\nf({});\n';
    expect(await feedback(submissionOf('javascript', source, [stdio('1')]))).toBe(
      "Runtime error on test 1\nTypeError: Cannot read properties of undefined (reading 'z')\nline 5: f({});\nline 2: return x.y.z;",
    );
  });

  it('calls functions of JavaScript however they are defined', async () => {
    const source = [
      'const add = (a, b) => a + b;',
      'async function later(x) { return [x]; }',
      'class Solution { twice(x) { return 2 * x; } }',
      'module.exports = { named: (x) => x };',
      'const nothing = () => undefined;',
      'const gone = () => process.exit(0);',
      "const bad = () => { throw new RangeError('no'); };",
    ].join('\n');
    const { fates } = await judge(
      submissionOf('javascript', source, [
        call('add', ['1', '2'], '3'),
        call('later', ['"x"'], '["x"]'),
        call('twice', ['4'], '8'),
        call('named', ['null'], 'null'),
        call('nothing', [], 'null'),
        call('gone', [], 'null'),
        call('bad', [], 'null'),
        call('missing', [], 'null'),
        call('process.exit', [], 'null'),
      ]),
    );
    const { ACCEPTED, WRONG_ANSWER, RUNTIME_ERROR } = Verdict;
    expect(fates.map(({ verdict }) => verdict)).toEqual([
      ACCEPTED,
      ACCEPTED,
      ACCEPTED,
      ACCEPTED,
      WRONG_ANSWER,
      RUNTIME_ERROR,
      RUNTIME_ERROR,
      RUNTIME_ERROR,
      RUNTIME_ERROR,
    ]);
    expect(fates[6]?.error).toMatchObject({ type: 'RangeError', message: 'no', lines: [7] });
  });

  it('runs checks of JavaScript after the program', async () => {
    const check = (code: string): Test => ({ kind: 'assert', code, hidden: false });
    const submission = submissionOf('javascript', 'const f = (x) => x + 1;', [
      check('assert.strictEqual(f(1), 2)'),
      check('f(0);\nassert.strictEqual(f(1), 3)'),
      check('g()'),
    ]);
    const { fates } = await judge(submission);
    expect(fates).toMatchObject([
      { verdict: Verdict.ACCEPTED },
      { verdict: Verdict.WRONG_ANSWER, error: { type: 'AssertionError', checkLine: 2 } },
      { verdict: Verdict.RUNTIME_ERROR, error: { type: 'ReferenceError' } },
    ]);
  });
});
