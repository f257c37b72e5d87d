/** Judges one submission in a sandbox: runs it, compares, decides. */
import { randomBytes } from 'node:crypto';
import { Verdict } from '@backsight/contract/judge';
import type { Sandbox, SandboxJob } from '../sandbox/sandbox.js';
import { decideFate, withoutPrelude } from './fate.js';
import { runOf } from './run-of-test.js';
import type { Fate, Judgement, ProgramError, Submission } from './submission.js';

/** Runs the tests in order. Throws SandboxFailure when the sandbox fails, the signal's reason when it aborts. */
export async function judgeSubmission(
  sandbox: Sandbox,
  submission: Submission,
  signal: AbortSignal,
): Promise<Judgement> {
  const { tests, checker, prelude = '', stopAtFirstFailure } = submission;
  const preludeLines = prelude.split('\n').length - 1;
  const token = randomBytes(16).toString('hex');
  const fates: Fate[] = [];
  let compileError: ProgramError | undefined;
  for await (const event of sandbox.execute(jobOf(submission, token), signal)) {
    if (event.kind === 'compile-error') compileError = withoutPrelude(event.error, preludeLines);
    if (event.kind !== 'ran') continue;
    const test = tests[event.run];
    if (test === undefined) throw new RangeError(`the sandbox tells of run ${event.run} of ${tests.length}`);
    const fate = decideFate({ test, index: event.run, ending: event.ending, checker, token, preludeLines });
    fates.push(fate);
    if (stopAtFirstFailure && fate.verdict !== Verdict.ACCEPTED) break;
  }
  return {
    verdict: compileError === undefined ? overall(fates) : Verdict.COMPILE_ERROR,
    fates,
    ...(compileError === undefined ? {} : { compileError }),
    passed: fates.filter(({ verdict }) => verdict === Verdict.ACCEPTED).length,
    total: tests.length,
  };
}

/** What of a submission enters the sandbox: no expected output does. */
function jobOf({ language, source, prelude = '', tests, limits }: Submission, token: string): SandboxJob {
  return {
    language,
    source: prelude + source,
    files: [],
    runs: tests.map((test) => runOf(test, token)),
    limits,
  };
}

function overall(fates: readonly Fate[]): Verdict {
  return fates.find(({ verdict }) => verdict !== Verdict.ACCEPTED)?.verdict ?? Verdict.ACCEPTED;
}
