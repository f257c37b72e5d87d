import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { type FeedbackOptions, writeFeedback } from './feedback.js';
import { decideFate } from './judging/fate.js';
import type { Checker, Judgement, Submission, Test } from './judging/submission.js';
import { defaultLimits } from './judging/limits.js';
import { packJudgement } from './pack-response.js';
import type { RunEnding } from './sandbox/sandbox.js';

/** What hidden tests are made of, and nothing else is: one character that gets out gives it away. */
const secret = fc.string({ unit: fc.constantFrom('⚿', '☠', '⛔', '🔒', '\n'), minLength: 1 });
const secretLetters = /[⚿☠⛔🔒]/u;
const open = fc.string({ unit: fc.constantFrom('a', '1', ' ', '\n', '"', '[', ']', '\\') });

const testOf = (text: fc.Arbitrary<string>, hidden: boolean): fc.Arbitrary<Test> =>
  fc.oneof(
    fc.record({
      kind: fc.constant('stdio' as const),
      input: text,
      expected: text,
      hidden: fc.constant(hidden),
    }),
    fc.record({
      kind: fc.constant('call' as const),
      name: text,
      argumentsJson: fc.array(text.map((each) => JSON.stringify(each))),
      expectedJson: text.map((each) => JSON.stringify(each)),
      hidden: fc.constant(hidden),
    }),
    fc.record({ kind: fc.constant('assert' as const), code: text, hidden: fc.constant(hidden) }),
    fc.record({
      kind: fc.constant('interactive' as const),
      input: text,
      expected: text,
      hidden: fc.constant(hidden),
    }),
  );

/** What the runtimes of compiled languages say of a program's end. */
const traceOf = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  text.chain((words) =>
    fc.constantFrom(
      words,
      `Exception in thread "main" java.lang.Error: ${words}\n\tat Main.main(Main.java:1)\n`,
      `thread 'main' (1) panicked at main.rs:1:1:\n${words}\n`,
      `panic: ${words}\n\ngoroutine 1 [running]:\nmain.main()\n\tmain.go:1\n`,
      `terminate called after throwing an instance of 'E'\n  what():  ${words}\n`,
    ),
  );

/** Whatever a program can say, of what it was given. */
const endingOf = (text: fc.Arbitrary<string>): fc.Arbitrary<RunEnding> =>
  fc.record({
    exitCode: fc.constantFrom(0, 1, 3, undefined),
    signal: fc.constantFrom(undefined, undefined, 9),
    limit: fc.constantFrom(
      undefined,
      undefined,
      undefined,
      'cpu' as const,
      'memory' as const,
      'output' as const,
    ),
    cpuMs: fc.constant(1),
    wallMs: fc.constant(1),
    peakMemoryBytes: fc.constant(1),
    stdout: text.map((each) => Buffer.from(each)),
    stderr: traceOf(text).map((each) => Buffer.from(each)),
    report: fc
      .oneof(
        text.map((result) => ({ result: JSON.stringify(result) })),
        text.map((unspeakable) => ({ unspeakable })),
        text.map((token) => ({ token })),
        fc.record({
          type: text,
          message: text,
          lines: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
          checkLines: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
          stage: fc.constantFrom('program', 'check'),
          assertion: fc.boolean(),
          memory: fc.boolean(),
        }),
      )
      .map((report) => Buffer.from(JSON.stringify(report))),
  });

const judged = fc.boolean().chain((hidden) => {
  const text = hidden ? secret : open;
  return fc.record({
    test: testOf(text, hidden),
    ending: endingOf(text),
    // What a task's own program is taken to say, of any test.
    ruling: fc.record({
      verdict: fc.constantFrom(Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.PRESENTATION_ERROR),
      remark: text,
    }),
    transcript: text,
  });
});
type Judged = typeof judged extends fc.Arbitrary<infer Run> ? Run : never;
const optionsOf = fc.record<FeedbackOptions>({
  maxWrongAnswers: fc.integer({ min: 0, max: 9 }),
  selection: fc.constantFrom('shortest', 'random'),
  seed: fc.integer({ min: 0 }),
  maxCharacters: fc.integer({ min: 0, max: 3000 }),
});

function judge(runs: readonly Judged[], language: string, source: string) {
  const checker: Checker = { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 };
  const fates = runs.map(({ test, ending, ruling, transcript }, index) =>
    decideFate({
      test,
      index,
      ending,
      language,
      checker,
      token: 'token',
      preludeLines: 1,
      ...(test.kind === 'interactive' ? { ruling, transcript } : {}),
    }),
  );
  const failure = fates.find(({ verdict }) => verdict !== Verdict.ACCEPTED);
  const judgement: Judgement = {
    verdict: failure?.verdict ?? Verdict.ACCEPTED,
    fates,
    passed: fates.filter(({ verdict }) => verdict === Verdict.ACCEPTED).length,
    total: runs.length,
  };
  const tests = runs.map(({ test }) => test);
  const submission: Submission = {
    language,
    source,
    tests,
    checker,
    limits: defaultLimits,
    stopAtFirstFailure: false,
  };
  return { submission, judgement };
}

describe('what a caller is told', () => {
  it('holds no character of a hidden test, nor of what a program said when it ran one', () => {
    let told = 0;
    fc.assert(
      fc.property(
        fc.array(judged, { minLength: 1, maxLength: 8 }),
        fc.constantFrom('python', 'cpp', 'java', 'rust', 'go'),
        open,
        optionsOf,
        (runs, language, source, options) => {
          const { submission, judgement } = judge(runs, language, source);
          const answer = { judgement, queueMs: 0, runMs: 0, cached: false };
          const response = JSON.stringify(packJudgement(submission, answer, options));
          expect(response).not.toMatch(secretLetters);
          if (runs.some(({ test }) => test.hidden) && response.includes('on test')) told += 1;
        },
      ),
      { numRuns: 2000 },
    );
    // The property is about something: feedback was given beside hidden tests.
    expect(told).toBeGreaterThan(100);
  });

  it('is the same whatever the hidden tests hold', () => {
    fc.assert(
      fc.property(
        fc.array(judged, { minLength: 1, maxLength: 6 }),
        fc.func(open),
        optionsOf,
        (runs, other, options) => {
          const swapped = runs.map((run, index) =>
            run.test.hidden
              ? {
                  ...run,
                  test: {
                    kind: 'stdio' as const,
                    input: other(index),
                    expected: other(-index),
                    hidden: true,
                  },
                }
              : run,
          );
          const [one, two] = [judge(runs, 'python', ''), judge(swapped, 'python', '')];
          expect(writeFeedback(two.submission, two.judgement, options)).toBe(
            writeFeedback(one.submission, one.judgement, options),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
