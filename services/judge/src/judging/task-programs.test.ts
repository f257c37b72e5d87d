import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { defaultFeedback, writeFeedback } from '../feedback.js';
import { leftProcesses } from '../sandbox/leftovers.js';
import { itIn, openRealSandbox, testUsers, whyNoSandbox } from '../sandbox/real-sandbox.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { program, trialLimits } from '../trials/trial.js';
import { judgeSubmission } from './judge-submission.js';
import type { Submission, TaskProgram, Test } from './submission.js';
import { TaskProgramBroken } from './task-program.js';

const missing = await whyNoSandbox();
const where = missing === undefined ? describe : describe.skip;
const { ACCEPTED, WRONG_ANSWER, PRESENTATION_ERROR, RUNTIME_ERROR, TIME_LIMIT, OUTPUT_LIMIT } = Verdict;

where(`a task's own programs${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await openRealSandbox();
  });
  afterEach(async () => {
    expect(await leftProcesses(testUsers.first, testUsers.count)).toEqual([]);
  });
  afterAll(async () => {
    await sandbox.close();
  });

  const python = (source: string): TaskProgram => ({ language: 'python', source });
  const submissionOf = (source: string, tests: readonly Test[], language = 'python'): Submission => ({
    language,
    source,
    tests,
    checker: { kind: CheckerKind.EXACT, absoluteTolerance: 0, relativeTolerance: 0 },
    limits: { ...trialLimits, cpuMs: 1000 },
    stopAtFirstFailure: false,
  });
  const judge = (submission: Submission, signal = new AbortController().signal) =>
    judgeSubmission(sandbox, submission, signal);
  const feedback = async (submission: Submission): Promise<string> =>
    writeFeedback(submission, await judge(submission), defaultFeedback);

  describe('a checker', () => {
    const by = (checker: TaskProgram, submission: Submission): Submission => ({
      ...submission,
      checker: { ...submission.checker, kind: CheckerKind.PROGRAM, program: checker },
    });
    const stdio = (input: string, expected = '', hidden = false): Test => ({
      kind: 'stdio',
      input,
      expected,
      hidden,
    });
    /** Accepts any divisor of the input but 1 and itself; a blank before it is a matter of presentation. */
    const divisor = python(program`
      import sys
      number = int(open(sys.argv[1]).read())
      output = open(sys.argv[2]).read()
      limit = int(open(sys.argv[3]).read())
      if not output.strip().isdigit():
          print('no number', file=sys.stderr)
          sys.exit(1)
      found = int(output)
      if found <= 1 or found > limit or number % found:
          sys.exit(f'{found} does not divide {number}')
      sys.exit(2 if output.startswith(' ') else 0)
    `);

    it('rules on each output, given the input and what is expected', async () => {
      const source = "n = int(input())\nprint({6: '3', 8: ' 4', 9: '2', 10: 'two', 12: '12'}[n])";
      const tests = [stdio('6', '3'), stdio('8', '4'), stdio('9', '3'), stdio('10', '5'), stdio('12', '6')];
      const submission = by(divisor, submissionOf(source, tests));
      const { verdict, fates, passed } = await judge(submission);
      expect(fates.map((fate) => fate.verdict)).toEqual([
        ACCEPTED,
        PRESENTATION_ERROR,
        WRONG_ANSWER,
        WRONG_ANSWER,
        WRONG_ANSWER,
      ]);
      expect([verdict, passed]).toEqual([PRESENTATION_ERROR, 1]);
      expect(await feedback(submission)).toBe(
        [
          'Wrong answer on test 3\nInput: 9\nOutput: 2\nExpected: 3\nMessage: 2 does not divide 9',
          'Wrong answer on test 2\nInput: 8\nOutput:  4\nExpected: 4',
        ].join('\n\n'),
      );
    });

    it('says nothing of hidden tests', async () => {
      const { fates } = await judge(by(divisor, submissionOf('print(5)', [stdio('9', '3', true)])));
      expect(fates).toMatchObject([{ verdict: WRONG_ANSWER, output: undefined }]);
      expect(fates[0]?.remark).toBeUndefined();
    });

    it('is not asked about a program that failed, nor beyond the first failure where that is enough', async () => {
      const never = python("raise SystemExit('asked')\n");
      const failing = by(never, submissionOf('raise ValueError(1)', [stdio('')]));
      expect(await judge(failing)).toMatchObject({ fates: [{ verdict: RUNTIME_ERROR }] });
      const first = by(divisor, submissionOf('print(input())', [stdio('6', '3'), stdio('9', '3')]));
      expect(await judge({ ...first, stopAtFirstFailure: true })).toMatchObject({
        fates: [{ verdict: WRONG_ANSWER }],
        total: 2,
      });
    });

    it.each([
      [
        'exits with another code',
        'import sys\nsys.exit(3)',
        /^The checker exited with code 3, which is none/,
      ],
      ['is killed', 'import os\nos.kill(os.getpid(), 11)', /^The checker was killed by SIGSEGV\.$/],
      ['does not compile', 'def', /^The checker does not compile: SyntaxError: .* \(line 1\)\.$/],
      ['writes without end', 'while True: print("x" * 99999)', /^The checker exceeded its output limit\.$/],
    ])('that %s is broken: no verdict', async (_name, source, why) => {
      const judged = judge(by(python(source), submissionOf('print(1)', [stdio('')])));
      await expect(judged).rejects.toThrow(TaskProgramBroken);
      await expect(judged).rejects.toThrow(why);
    });

    itIn('cpp')('may be in another language than the program', async () => {
      const source = program`
        #include <fstream>
        #include <iostream>
        int main(int argc, char **argv) {
          if (argc != 4) return 3;
          std::ifstream input(argv[1]), output(argv[2]), expected(argv[3]);
          long a, b, c;
          input >> a; output >> b; expected >> c;
          std::cout << "sum " << a + b;
          return a + b == c ? 0 : 1;
        }
      `;
      const tests = [stdio('1', '3'), stdio('2', '3')];
      const submission = by({ language: 'cpp', source }, submissionOf('print(2)', tests));
      expect(await judge(submission)).toMatchObject({ passed: 1 });
      expect(await feedback(submission)).toContain('Message: sum 4');
    });

    it('never shows the program what is expected', async () => {
      const nosy = program`
        import os
        found = [name for folder in ('/tmp', '.') for name in os.listdir(folder)]
        print(len(found))
      `;
      const counting = python('import sys\nsys.exit(int(open(sys.argv[2]).read()) != 0)');
      expect(await judge(by(counting, submissionOf(nosy, [stdio('', 'secret'), stdio('')])))).toMatchObject({
        passed: 2,
      });
    });
  });

  describe('an interactor', () => {
    /** Thinks of the number that its input names; a program may guess as often as expected.txt says. */
    const guessing = python(program`
      import sys
      number = int(open(sys.argv[1]).read())
      most = int(open(sys.argv[3]).read())
      print(100, flush=True)
      for _ in range(most):
          line = sys.stdin.readline()
          if not line:
              sys.exit('the program stopped guessing')
          guess = int(line)
          if guess == number:
              print('right', flush=True)
              sys.exit(0)
          print('more' if guess < number else 'less', flush=True)
      print(f'not found in {most}', file=sys.stderr)
      sys.exit(1)
    `);
    const bisecting = program`
      low, high = 1, int(input())
      while True:
          guess = (low + high) // 2
          print(guess, flush=True)
          said = input()
          if said == 'right':
              break
          if said == 'more':
              low = guess + 1
          else:
              high = guess - 1
    `;
    const test = (number: number, most: number, hidden = false): Test => ({
      kind: 'interactive',
      input: String(number),
      expected: String(most),
      hidden,
    });
    const against = (
      source: string,
      tests: readonly Test[] = [test(7, 8)],
      interactor = guessing,
      language = 'python',
    ): Submission => ({ ...submissionOf(source, tests, language), interactor });
    const fateOf = async (submission: Submission) => (await judge(submission)).fates[0];

    it('talks with the program, and its ending decides', async () => {
      const { verdict, passed, fates } = await judge(
        against(bisecting, [test(7, 8), test(100, 8), test(1, 8)]),
      );
      expect([verdict, passed]).toEqual([ACCEPTED, 3]);
      expect(fates[0]).toMatchObject({ exitCode: 0, output: undefined });
      expect(fates[0]?.peakMemoryBytes).toBeGreaterThan(0);
    });

    it('tells a learner how the talk ended, and what it says itself', async () => {
      // The program may or may not get another word in before the interactor has ended.
      expect(await feedback(against(bisecting, [test(7, 2)]))).toMatch(
        /^Wrong answer on test 1\nTranscript:\nInteractor: 100\nProgram: 50\nInteractor: less\nProgram: 25\nInteractor: less\n(?:Program: 12\n)?Message: not found in 2$/,
      );
      const slow = 'n = int(input())\nfor guess in range(n):\n    print(guess, flush=True)\n    input()';
      expect(await feedback(against(slow, [test(90, 20)]))).toMatch(
        /^Wrong answer on test 1\nTranscript:\n\.\.\. \(\d+ lines before\)\n(?:Program: 16\n)?Interactor: more\nProgram: 17\n/,
      );
    });

    it('says nothing of hidden tests', async () => {
      const fate = await fateOf(against(bisecting, [test(7, 2, true)]));
      expect(fate).toMatchObject({ verdict: WRONG_ANSWER, output: undefined, error: undefined });
      expect(fate?.remark).toBeUndefined();
    });

    it.each<[string, string, Partial<NonNullable<Awaited<ReturnType<typeof fateOf>>>>]>([
      ['crashes', 'input()\nprint(3, flush=True)\nint(input())', { verdict: RUNTIME_ERROR, exitCode: 1 }],
      ['ends before the interactor does', 'input()', { verdict: WRONG_ANSWER, exitCode: 0 }],
      [
        'crashes once it is right',
        'input()\nprint(7, flush=True)\ninput()\n1 / 0',
        { verdict: RUNTIME_ERROR },
      ],
      ['waits for more', 'input()\ninput()', { verdict: TIME_LIMIT, limit: 'wall' }],
      ['says half a line and waits', "input()\nprint(7, end='', flush=True)\ninput()", { limit: 'wall' }],
      ['computes without end', 'while True: pass', { verdict: TIME_LIMIT, limit: 'cpu' }],
      ['says too much', 'while True: print(1)', { verdict: WRONG_ANSWER }],
      [
        'says too much and nothing the interactor reads',
        "while True: print('1' * 10_000, end='')",
        { verdict: OUTPUT_LIMIT },
      ],
      ['goes on after it was found right', 'print(7, flush=True)\nwhile True: pass', { limit: 'cpu' }],
    ])('tells a program that %s from one that is wrong', async (_name, source, fate) => {
      const submission = against(source);
      const limits = { ...trialLimits, wallMs: 1000 };
      expect(await fateOf({ ...submission, limits })).toMatchObject(fate);
    });

    it('shows the talk beside an error, and where two wait for each other', async () => {
      expect(await feedback(against('input()\nprint(3, flush=True)\nint(input())'))).toBe(
        [
          'Runtime error on test 1',
          "ValueError: invalid literal for int() with base 10: 'more'",
          'line 3: int(input())',
          'Transcript:',
          'Interactor: 100',
          'Program: 3',
          'Interactor: more',
        ].join('\n'),
      );
      const waiting = against('input()\ninput()');
      expect(await feedback({ ...waiting, limits: { ...trialLimits, wallMs: 700 } })).toBe(
        'Time limit exceeded on test 1\nTranscript:\nInteractor: 100',
      );
    });

    it.each([
      ['exits with another code', 'print(1, flush=True)\ninput()\nraise SystemExit(9)', /exited with code 9/],
      ['does not compile', 'def', /^The interactor does not compile: /],
      ['says too much', "import time\nwhile True: print('x' * 99999)", /exceeded its output limit/],
    ])('that %s is broken: no verdict', async (_name, source, why) => {
      const judged = judge(against('print(input(), flush=True)\ninput()', undefined, python(source)));
      await expect(judged).rejects.toThrow(TaskProgramBroken);
      await expect(judged).rejects.toThrow(why);
    });

    it('is not blamed for a program that does not compile', async () => {
      expect(await judge(against('def'))).toMatchObject({ verdict: Verdict.COMPILE_ERROR, fates: [] });
    });

    itIn('cpp')('talks with a program in another language', async () => {
      const source = program`
        #include <iostream>
        #include <string>
        int main() {
          int high, low = 1;
          std::cin >> high;
          for (std::string said; said != "right";) {
            int guess = (low + high) / 2;
            std::cout << guess << std::endl;
            if (!(std::cin >> said)) return 1;
            if (said == "more") low = guess + 1; else high = guess - 1;
          }
        }
      `;
      expect(await judge(against(source, [test(31, 8)], guessing, 'cpp'))).toMatchObject({ passed: 1 });
    });

    it('passes on megabytes both ways', async () => {
      const echo = python(program`
        import sys
        text = 'z' * 1_000_000
        print(text, flush=True)
        sys.exit(0 if sys.stdin.readline() == text[::-1] + '\n' else 1)
      `);
      const source = 'print(input()[::-1], flush=True)';
      expect(await judge(against(source, [test(1, 1)], echo))).toMatchObject({ passed: 1 });
    });

    it('may go on speaking to a program that has stopped listening', async () => {
      const speaking = python(program`
        import sys
        print(1, flush=True)
        word = input()
        print('z' * 1_000_000, flush=True)
        sys.exit(0 if word == 'done' and sys.stdin.read() == '' else 1)
      `);
      const source = program`
        import os, time
        input()
        os.close(0)
        print('done', flush=True)
        time.sleep(0.2)
      `;
      expect(await judge(against(source, [test(1, 1)], speaking))).toMatchObject({ passed: 1 });
    });

    it('is gone with the program when nobody wants the answer any more', async () => {
      const gone = new AbortController();
      const judged = judge(against('input()\nimport time\ntime.sleep(60)'), gone.signal);
      setTimeout(() => {
        gone.abort();
      }, 300);
      await expect(judged).rejects.toMatchObject({ name: 'AbortError' });
      expect(await leftProcesses(testUsers.first, testUsers.count)).toEqual([]);
      expect(await judge(against(bisecting))).toMatchObject({ passed: 1 });
    });
  });
});
