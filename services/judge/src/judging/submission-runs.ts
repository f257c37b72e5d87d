/** How a submission meets its tests: the job that a sandbox is given, and the fate of every run. */
import { randomBytes } from 'node:crypto';
import { Verdict } from '@backsight/contract/judge';
import type { CompileError, RunEnding, SandboxJob } from '../sandbox/sandbox.js';
import { decideFate, type Evidence, withoutPrelude } from './fate.js';
import { runOf } from './run-of-test.js';
import type { Fate, Judgement, ProgramError, Submission } from './submission.js';

/** One submission on its way through its tests. */
export class SubmissionRuns {
  /** So far, in the order of the tests. */
  readonly fates: Fate[] = [];
  private compileError: ProgramError | undefined;
  private readonly token = randomBytes(16).toString('hex');
  private readonly preludeLines: number;

  constructor(private readonly submission: Submission) {
    this.preludeLines = (submission.prelude ?? '').split('\n').length - 1;
  }

  /** Whether there is nothing left to run. */
  isOver(): boolean {
    const { tests, stopAtFirstFailure } = this.submission;
    const failed = this.fates.some(({ verdict }) => verdict !== Verdict.ACCEPTED);
    return (
      this.compileError !== undefined || this.fates.length === tests.length || (stopAtFirstFailure && failed)
    );
  }

  /** The program as it enters the sandbox. */
  program(): Omit<SandboxJob, 'runs'> {
    const { language, source, prelude = '', limits } = this.submission;
    return { language, source: prelude + source, files: [], limits };
  }

  /** The program and the tests that have no fate yet: no expected output enters the sandbox. */
  job(): SandboxJob {
    const { tests } = this.submission;
    const runs = tests.slice(this.fates.length).map((test) => runOf(test, this.token));
    return { ...this.program(), runs };
  }

  /** The program does not compile. */
  refuse(error: CompileError): void {
    this.compileError = withoutPrelude(error, this.preludeLines);
  }

  /** Decides the fate of the first test that has none. */
  decide(ending: RunEnding, ruled: Pick<Evidence, 'ruling' | 'transcript'> = {}): void {
    const { tests, language, checker } = this.submission;
    const index = this.fates.length;
    const test = tests[index];
    if (test === undefined) throw new RangeError(`the sandbox tells of more than ${tests.length} runs`);
    const { token, preludeLines } = this;
    this.fates.push(decideFate({ test, index, ending, language, checker, token, preludeLines, ...ruled }));
  }

  /** All in all. */
  judgement(): Judgement {
    const { fates, compileError } = this;
    const failed = fates.find(({ verdict }) => verdict !== Verdict.ACCEPTED);
    return {
      verdict: compileError === undefined ? (failed?.verdict ?? Verdict.ACCEPTED) : Verdict.COMPILE_ERROR,
      fates,
      ...(compileError === undefined ? {} : { compileError }),
      passed: fates.filter(({ verdict }) => verdict === Verdict.ACCEPTED).length,
      total: this.submission.tests.length,
    };
  }
}
