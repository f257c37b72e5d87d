/** Published solutions must be accepted, and of each a mutant must be rejected. */
import { Verdict } from '@backsight/contract/judge';
import { judgeSubmission } from '../judging/judge-submission.js';
import { completeLimits } from '../judging/limits.js';
import { inAnyOrder } from '../merge.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { mutantsOf } from './mutants.js';
import type { SolvedTask } from './solved-tasks.js';

/** What came of the tasks of a file. */
export interface SolutionsReport {
  readonly tasks: number;
  readonly accepted: number;
  /** Tasks of which a mutant was rejected. */
  readonly twinsRejected: number;
  /** Of those, by the first mutant that was tried. */
  readonly atFirst: number;
  /** Solutions that were not accepted, and why. */
  readonly refused: readonly string[];
  /** Tasks none of whose mutants was rejected. */
  readonly unnoticed: readonly string[];
}

const mostMutants = 12;

/** Judges every solution and its mutants, as many side by side as the sandbox takes. */
export async function verifySolutions(
  sandbox: Sandbox,
  tasks: readonly SolvedTask[],
  signal: AbortSignal,
): Promise<SolutionsReport> {
  const results = inAnyOrder(
    ReadableStream.from(tasks),
    sandbox.capacity,
    (each: SolvedTask, abandoned) => verifyOne(sandbox, each, abandoned),
    signal,
  );
  const refused: string[] = [];
  const unnoticed: string[] = [];
  let atFirst = 0;
  for await (const { id, trouble, tried } of results) {
    if (trouble !== undefined) refused.push(`${id}: ${trouble}`);
    if (tried === 1) atFirst += 1;
    if (tried === undefined) unnoticed.push(id);
  }
  return {
    tasks: tasks.length,
    accepted: tasks.length - refused.length,
    twinsRejected: tasks.length - unnoticed.length,
    atFirst,
    refused: refused.sort(),
    unnoticed: unnoticed.sort(),
  };
}

interface One {
  readonly id: string;
  /** Why the solution was not accepted. */
  readonly trouble: string | undefined;
  /** Mutants tried until one was rejected; undefined when none was. */
  readonly tried: number | undefined;
}

async function verifyOne(sandbox: Sandbox, solved: SolvedTask, signal: AbortSignal): Promise<One> {
  const { task, head, solution } = solved;
  const judge = (source: string, cpuMs: number) =>
    judgeSubmission(
      sandbox,
      {
        language: task.language,
        source,
        prelude: task.prelude,
        tests: task.tests,
        checker: task.checker,
        limits: completeLimits({ cpuMs }),
        stopAtFirstFailure: true,
      },
      signal,
    );
  const { verdict } = await judge(head + solution, 4000);
  const trouble = verdict === Verdict.ACCEPTED ? undefined : verdict.replace('VERDICT_', '').toLowerCase();
  for (const [index, mutant] of mutantsOf(solution, mostMutants, 0).entries()) {
    if ((await judge(head + mutant, 1000)).verdict !== Verdict.ACCEPTED)
      return { id: task.id, trouble, tried: index + 1 };
  }
  return { id: task.id, trouble, tried: undefined };
}
