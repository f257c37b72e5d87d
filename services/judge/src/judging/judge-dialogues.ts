/** Judges by the task's interactor: in every test it talks with the program, and its ending decides. */
import { Verdict } from '@backsight/contract/judge';
import type { RunEnding, Sandbox } from '../sandbox/sandbox.js';
import { endedWell } from './fate.js';
import type { Judgement, Submission, TaskProgram, Test } from './submission.js';
import { SubmissionRuns } from './submission-runs.js';
import { talk, type TalkEnd } from './talk.js';
import { jobOfTaskProgram, refusalOf, type Ruling, rulingOf } from './task-program.js';

/** On a busy machine a program may take so many times its wall limit; as in python/sandbox.py. */
const mostStretch = 4;
/** Of the transcript in feedback. */
const mostLines = 8;

/**
 * As judgeSubmission. Who ends first decides: a program that crashes, or exceeds a limit, has its own verdict, whatever
 * the interactor makes of the silence; once the interactor has ended, its word holds, and a program that it accepts
 * must then end well, too. When both wait for each other, the program's wall limit fires before the interactor's.
 */
export async function judgeDialogues(
  sandbox: Sandbox,
  submission: Submission,
  interactor: TaskProgram,
  signal: AbortSignal,
): Promise<Judgement> {
  const runs = new SubmissionRuns(submission);
  while (!runs.isOver()) {
    const test = submission.tests[runs.fates.length];
    if (test?.kind !== 'interactive') throw new TypeError('an interactor takes interactive tests alone');
    const program = runs.program();
    const job = jobOfTaskProgram(interactor, test, undefined);
    const wallMs = job.limits.wallMs + mostStretch * program.limits.wallMs;
    const contented = (ending: RunEnding): boolean => rule(ending, test).verdict === Verdict.ACCEPTED;
    const { end, transcript } = await talk(
      sandbox,
      program,
      { ...job, limits: { ...job.limits, wallMs } },
      { endedWell, contented },
      signal,
    );
    apply(end, test, runs, transcript.end(mostLines));
  }
  return runs.judgement();
}

function apply(end: TalkEnd, test: Test, runs: SubmissionRuns, transcript: string): void {
  switch (end.kind) {
    case 'refused':
      if (end.who === 'interactor') throw refusalOf('interactor', end.error);
      runs.refuse(end.error);
      return;
    case 'program-failed':
      runs.decide(end.program, { transcript });
      return;
    case 'ruled':
      runs.decide(end.program ?? unseen, { ruling: rule(end.interactor, test), transcript });
  }
}

/** A program that was killed for being wrong already: what it used is not known. */
const unseen: RunEnding = {
  exitCode: undefined,
  signal: undefined,
  limit: undefined,
  cpuMs: 0,
  wallMs: 0,
  peakMemoryBytes: 0,
  stdout: Buffer.alloc(0),
  stderr: Buffer.alloc(0),
  report: Buffer.alloc(0),
};

function rule(ending: RunEnding, test: Test): Ruling {
  return rulingOf('interactor', test, ending);
}
