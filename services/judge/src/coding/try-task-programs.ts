/** Compiles the checkers and interactors of tasks before any is posed: a broken one is found at the start, not in a run. */
import { refusalOf, taskProgramLimits, type TaskRole } from '../judging/task-program.js';
import type { TaskProgram } from '../judging/submission.js';
import { type Sandbox, SandboxFailure } from '../sandbox/sandbox.js';
import type { CodingTask } from './task.js';
import { TaskFileError } from './task-file-error.js';

/** Throws TaskFileError, with one line per program that does not compile. */
export async function tryTaskPrograms(tasks: readonly CodingTask[], sandbox: Sandbox): Promise<void> {
  const programs = new Map<
    string,
    { readonly id: string; readonly role: TaskRole; readonly program: TaskProgram }
  >();
  for (const { id, checker, interactor } of tasks) {
    for (const [role, program] of [
      ['checker', checker.program],
      ['interactor', interactor],
    ] as const) {
      const key = JSON.stringify(program);
      if (program !== undefined && !programs.has(key)) programs.set(key, { id, role, program });
    }
  }
  const waiting = [...programs.values()];
  const problems: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { id, role, program } = next;
      const refused = await refusal(sandbox, role, program);
      if (refused !== undefined) problems.push(`task "${id}": ${role}: ${refused}`);
    }
  };
  await Promise.all(Array.from({ length: sandbox.capacity }, work));
  if (problems.length > 0) throw new TaskFileError(problems);
}

/** Why a program does not compile; undefined when it does. */
async function refusal(
  sandbox: Sandbox,
  role: TaskRole,
  { language, source }: TaskProgram,
): Promise<string | undefined> {
  const job = { language, source, files: [], runs: [], limits: taskProgramLimits };
  for await (const event of sandbox.execute(job, new AbortController().signal)) {
    if (event.kind === 'compiled') return undefined;
    if (event.kind !== 'compile-error') continue;
    return refusalOf(role, event.error).why;
  }
  throw new SandboxFailure('the sandbox told of no compilation');
}
