/** What is wrong with a submission's own checker or interactor before anything has run. */
import type { SandboxLanguage } from '../sandbox/sandbox.js';
import type { Submission, TaskProgram, Test } from './submission.js';
import { mostTestBytes } from './task-program.js';

/** Something wrong, and where. */
export interface TaskProgramProblem {
  /** `checker`, `interactor`, or a test such as `tests[3]`. */
  readonly field: string;
  /** Completes a sentence about the field. */
  readonly description: string;
}

/** All that is wrong; tests that could not be read are left out of account. */
export function taskProgramProblems(
  { checker, interactor }: Pick<Submission, 'checker' | 'interactor'>,
  tests: readonly (Test | undefined)[],
  languages: readonly SandboxLanguage[],
): readonly TaskProgramProblem[] {
  const program = interactor ?? checker.program;
  const wanted = interactor !== undefined ? 'interactive' : program === undefined ? undefined : 'stdio';
  return [
    ...languageProblems('checker', checker.program, 'stdio', languages),
    ...languageProblems('interactor', interactor, 'dialogue', languages),
    ...(interactor !== undefined && checker.program !== undefined
      ? [{ field: 'checker', description: 'is of no use beside an interactor, which rules itself' }]
      : []),
    ...tests.flatMap((test, index) => {
      const description = test === undefined ? undefined : testProblem(test, wanted);
      return description === undefined ? [] : [{ field: `tests[${index}]`, description }];
    }),
  ];
}

function languageProblems(
  field: string,
  program: TaskProgram | undefined,
  run: SandboxLanguage['runs'][number],
  languages: readonly SandboxLanguage[],
): readonly TaskProgramProblem[] {
  if (program === undefined) return [];
  const able = languages.filter(({ runs }) => runs.includes(run)).map(({ name }) => name);
  if (able.includes(program.language)) return [];
  const which = able.length === 0 ? 'none, which this sandbox has no use for' : `one of ${able.join(', ')}`;
  return [{ field, description: `must be in ${which}, is in "${program.language}"` }];
}

/** `wanted` is the kind of test that the task's program rules on, if there is one. */
function testProblem(test: Test, wanted: 'interactive' | 'stdio' | undefined): string | undefined {
  if (test.kind === 'interactive' && wanted !== 'interactive')
    return 'is interactive, but there is no interactor';
  if (wanted === undefined) return undefined;
  if (test.kind !== wanted) {
    const role = wanted === 'interactive' ? 'an interactor' : 'a checker';
    return `is of kind ${test.kind}, which ${role} cannot rule on`;
  }
  const bytes = Buffer.byteLength(test.input) + Buffer.byteLength(test.expected);
  return bytes <= mostTestBytes
    ? undefined
    : `holds ${bytes} bytes, more than the ${mostTestBytes} that can be handed to a task's own program`;
}
