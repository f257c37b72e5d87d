/**
 * A task's own programs, checkers and interactors, rule on others by their exit codes, as those of testlib do: 0
 * accepted, 1 wrong answer, 2 presentation error. Anything else says that they, not the program, are broken.
 */
import { Verdict } from '@backsight/contract/judge';
import type { CompileError, RunEnding, RunLimits, SandboxJob } from '../sandbox/sandbox.js';
import { beginning } from './beginning.js';
import { signalName } from './signal-name.js';
import type { TaskProgram, Test } from './submission.js';

/** What a task's program made of another. */
export interface Ruling {
  readonly verdict: Verdict;
  /** What it had to say to the learner; empty for nothing, and for a hidden test. */
  readonly remark: string;
}

export type TaskRole = 'checker' | 'interactor';

/** A task's own program cannot rule: nothing is known of the program it was to rule on. */
export class TaskProgramBroken extends Error {
  override readonly name = 'TaskProgramBroken';
  constructor(
    readonly role: TaskRole,
    /** Completes the sentence "The checker ..."; holds nothing of a test. */
    readonly why: string,
  ) {
    super(`The ${role} ${why}.`);
  }
}

/** The kinds of test that have an expected output to hand to a task's program. */
export type RuledTest = Test & { readonly kind: 'stdio' | 'interactive' };

/** Ample: a task's program is trusted to end, not to be quick. */
export const taskProgramLimits: RunLimits = {
  cpuMs: 10_000,
  wallMs: 30_000,
  memoryBytes: 1024 * (1 << 20),
  outputBytes: 16 << 20,
  processes: 64,
};

/** What a checker is handed, in bytes, in a folder of 16 MiB: of an output, and of a test's input and expected output. */
export const mostRuledBytes = 8 << 20;
export const mostTestBytes = 6 << 20;

const names = { input: 'input.txt', output: 'output.txt', expected: 'expected.txt' } as const;
const mostRemark = 1000;
const verdicts: readonly (Verdict | undefined)[] = [
  Verdict.ACCEPTED,
  Verdict.WRONG_ANSWER,
  Verdict.PRESENTATION_ERROR,
];

/** The job of a task's program, but for its runs. An interactor has no output yet: it may write one. */
export function jobOfTaskProgram(
  program: TaskProgram,
  test: RuledTest,
  output: Uint8Array | undefined,
): Omit<SandboxJob, 'runs'> {
  return {
    ...program,
    arguments: [names.input, names.output, names.expected],
    files: [
      { path: names.input, content: Buffer.from(test.input) },
      { path: names.expected, content: Buffer.from(test.expected) },
      ...(output === undefined ? [] : [{ path: names.output, content: output }]),
    ],
    limits: taskProgramLimits,
  };
}

/** What the end of a task's program says of the other one. Throws TaskProgramBroken. */
export function rulingOf(
  role: TaskRole,
  test: Test,
  { limit, signal, exitCode, ...said }: RunEnding,
): Ruling {
  if (limit !== undefined) throw new TaskProgramBroken(role, `exceeded its ${limit} limit`);
  if (signal !== undefined) throw new TaskProgramBroken(role, `was killed by ${signalName(signal)}`);
  const verdict = verdicts[exitCode ?? -1];
  if (verdict === undefined) {
    throw new TaskProgramBroken(
      role,
      `exited with code ${exitCode ?? 'unknown'}, which is none of 0 (accepted), 1 (wrong answer) and 2 (presentation error)`,
    );
  }
  return { verdict, remark: test.hidden ? '' : remarkOf(role, said) };
}

/** The failure of a task's program to compile. */
export function refusalOf(role: TaskRole, { type, message, lines }: CompileError): TaskProgramBroken {
  const words = [type, message].filter((part) => part !== '').join(': ');
  const line = lines.at(-1);
  return new TaskProgramBroken(
    role,
    `does not compile: ${words}${line === undefined ? '' : ` (line ${line})`}`,
  );
}

/** What an interactor writes to standard output is for the program alone. */
function remarkOf(role: TaskRole, { stdout, stderr }: Pick<RunEnding, 'stdout' | 'stderr'>): string {
  const decode = (bytes: Uint8Array): string =>
    new TextDecoder().decode(bytes.subarray(0, 4 * mostRemark)).trim();
  const words = decode(stderr);
  return beginning(words !== '' || role === 'interactor' ? words : decode(stdout), mostRemark);
}
