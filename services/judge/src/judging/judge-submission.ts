/** Judges one submission in a sandbox: runs it, compares, decides. */
import type { Sandbox } from '../sandbox/sandbox.js';
import { judgeByChecker } from './judge-by-checker.js';
import { judgeDialogues } from './judge-dialogues.js';
import type { Judgement, Submission } from './submission.js';
import { SubmissionRuns } from './submission-runs.js';

/**
 * Runs the tests in order. Throws SandboxFailure when the sandbox fails, TaskProgramBroken when the task's own checker
 * or interactor does, the signal's reason when it aborts.
 */
export async function judgeSubmission(
  sandbox: Sandbox,
  submission: Submission,
  signal: AbortSignal,
): Promise<Judgement> {
  const { checker, interactor } = submission;
  if (interactor !== undefined) return judgeDialogues(sandbox, submission, interactor, signal);
  if (checker.program !== undefined) return judgeByChecker(sandbox, submission, checker.program, signal);
  const runs = new SubmissionRuns(submission);
  for await (const event of sandbox.execute(runs.job(), signal)) {
    if (event.kind === 'compile-error') runs.refuse(event.error);
    if (event.kind === 'ran') runs.decide(event.ending);
    if (runs.isOver()) break;
  }
  return runs.judgement();
}
