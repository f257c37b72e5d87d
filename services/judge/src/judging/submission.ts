/** A submission is a program with the tests it is put to; a judgement is what became of it. */
import type { CheckerKind, Verdict } from '@backsight/contract/judge';
import type { CompileError, LimitName, RunLimits } from '../sandbox/sandbox.js';

/** A program and its tests. */
export interface Submission {
  /** As the sandbox names it, for example `python`. */
  readonly language: string;
  readonly source: string;
  /**
   * Code put in front of the source, such as the imports a task hands out; it ends with a line break.
   * Feedback counts lines from the source's first. Default: none.
   */
  readonly prelude?: string;
  /** At least one. */
  readonly tests: readonly Test[];
  readonly checker: Checker;
  /** What interactive tests talk with; all tests are interactive then, and none otherwise. */
  readonly interactor?: TaskProgram;
  readonly limits: RunLimits;
  /** Runs no further test after the first that is not accepted. */
  readonly stopAtFirstFailure: boolean;
}

/** One check of a program. A hidden test counts for the verdict and never appears in feedback. */
export type Test = TestKind & { readonly hidden: boolean };

export type TestKind =
  | { readonly kind: 'stdio'; readonly input: string; readonly expected: string }
  /** Arguments and expected result are JSON texts. */
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly argumentsJson: readonly string[];
      readonly expectedJson: string;
    }
  /** Code that runs after the program, in its namespace, and raises when it is wrong. */
  | { readonly kind: 'assert'; readonly code: string }
  /** What the interactor is given; the program sees none of it. */
  | { readonly kind: 'interactive'; readonly input: string; readonly expected: string };

/** A program that came with a task and rules on others: a checker or an interactor. */
export interface TaskProgram {
  readonly language: string;
  readonly source: string;
}

/** How outputs are compared. */
export interface Checker {
  /** As requests may ask for; or as LiveCodeBench's own checker does, which its rows ask for. */
  readonly kind: CheckerKind | 'live-code-bench';
  /** For floats: largest absolute difference. */
  readonly absoluteTolerance: number;
  /** For floats: largest difference relative to the expected number. */
  readonly relativeTolerance: number;
  /** For `CheckerKind.PROGRAM`. */
  readonly program?: TaskProgram;
}

/** What became of a submission. */
export interface Judgement {
  /** That of the first test that is not accepted. */
  readonly verdict: Verdict;
  /** One per test that was run, in order; none when the program does not compile. */
  readonly fates: readonly Fate[];
  readonly compileError?: ProgramError;
  /** Tests accepted. */
  readonly passed: number;
  /** Tests asked for. */
  readonly total: number;
}

/** What happened in one test. */
export interface Fate {
  /** Index into the submission's tests. */
  readonly test: number;
  readonly verdict: Verdict;
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly peakMemoryBytes: number;
  /** When the program ended by itself. */
  readonly exitCode: number | undefined;
  /** When it was killed by one. */
  readonly signal: number | undefined;
  /** The limit that fired. */
  readonly limit: LimitName | undefined;
  /** What it died of; undefined for a hidden test. */
  readonly error: ProgramError | undefined;
  /** The beginning of what it answered, or of the talk with the interactor; undefined for a hidden test. */
  readonly output: string | undefined;
  /** What the task's checker or interactor said of it; undefined for a hidden test. */
  readonly remark?: string;
}

/** An error as the program's author should see it. */
export interface ProgramError extends CompileError {
  /** The line of an assert test's code that failed, counted from 1. */
  readonly checkLine?: number;
}
