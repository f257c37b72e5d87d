/** A program judged in a sandbox, as tests of sandboxes have it. */
import { CheckerKind } from '@backsight/contract/judge';
import { judgeSubmission } from '../judging/judge-submission.js';
import type { Judgement, Test } from '../judging/submission.js';
import type { RunLimits, Sandbox } from '../sandbox/sandbox.js';
import { trialLimits } from './trial.js';

/** Of a caller who stays. */
export const never: AbortSignal = new AbortController().signal;

/** A test of what a program prints. */
export const printing = (expected: string, input = ''): Test => ({
  kind: 'stdio',
  input,
  expected,
  hidden: false,
});

/** Judges a program, by its lines; in Python and within the limits of trials where nothing else is said. */
export function judgeProgram(
  sandbox: Sandbox,
  source: string,
  tests: readonly Test[],
  { language = 'python', ...limits }: Partial<RunLimits> & { readonly language?: string } = {},
  signal: AbortSignal = never,
): Promise<Judgement> {
  return judgeSubmission(
    sandbox,
    {
      language,
      source,
      tests,
      checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
      limits: { ...trialLimits, ...limits },
      stopAtFirstFailure: false,
    },
    signal,
  );
}
