/** Judges by the task's own checker: runs the program, then, in the place that it leaves, the checker on each output. */
import { type RunEnding, type Sandbox, SandboxFailure } from '../sandbox/sandbox.js';
import { endedWell } from './fate.js';
import type { Judgement, Submission, TaskProgram, Test } from './submission.js';
import { SubmissionRuns } from './submission-runs.js';
import { jobOfTaskProgram, mostRuledBytes, refusalOf, type Ruling, rulingOf } from './task-program.js';

/** Outputs kept for the checker before it gets its turn. */
const mostWaitingBytes = 32 << 20;

/** As judgeSubmission. */
export async function judgeByChecker(
  sandbox: Sandbox,
  submission: Submission,
  checker: TaskProgram,
  signal: AbortSignal,
): Promise<Judgement> {
  const { limits, tests, stopAtFirstFailure } = submission;
  const outputBytes = Math.min(limits.outputBytes, mostRuledBytes);
  const runs = new SubmissionRuns({ ...submission, limits: { ...limits, outputBytes } });
  while (!runs.isOver()) {
    const waiting: RunEnding[] = [];
    let bytes = 0;
    for await (const event of sandbox.execute(runs.job(), signal)) {
      if (event.kind === 'compile-error') runs.refuse(event.error);
      if (event.kind !== 'ran') continue;
      waiting.push(event.ending);
      bytes += event.ending.stdout.length;
      if (bytes > mostWaitingBytes || (stopAtFirstFailure && !endedWell(event.ending))) break;
    }
    if (waiting.length === 0 && !runs.isOver()) throw new SandboxFailure('the sandbox told of no run');
    for (const ending of waiting) {
      const test = tests[runs.fates.length];
      const ruled = test !== undefined && endedWell(ending);
      runs.decide(ending, ruled ? { ruling: await rule(sandbox, checker, test, ending.stdout, signal) } : {});
      if (runs.isOver()) break;
    }
  }
  return runs.judgement();
}

/** What the checker makes of an output. */
async function rule(
  sandbox: Sandbox,
  checker: TaskProgram,
  test: Test,
  output: Uint8Array,
  signal: AbortSignal,
): Promise<Ruling> {
  if (test.kind !== 'stdio')
    throw new TypeError(`a checker rules on outputs, not on a test of kind ${test.kind}`);
  const runs = [{ kind: 'stdio', input: Buffer.alloc(0) }] as const;
  for await (const event of sandbox.execute({ ...jobOfTaskProgram(checker, test, output), runs }, signal)) {
    if (event.kind === 'compile-error') throw refusalOf('checker', event.error);
    if (event.kind === 'ran') return rulingOf('checker', test, event.ending);
  }
  throw new SandboxFailure('the sandbox told of no run of the checker');
}
