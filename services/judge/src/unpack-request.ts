/** Requests as domain values; what is wrong with one is told field by field, all at once. */
import {
  CheckerKind,
  type ExecuteRequest,
  FeedbackSelection,
  type JudgeRequest,
  type Limits,
  type Program,
  type Test as WireTest,
} from '@backsight/contract/judge';
import { invalidArgument, type Violation } from '@backsight/rpc';
import { toMs } from './duration.js';
import { defaultFeedback, type FeedbackOptions } from './feedback.js';
import { parseJson } from './judging/json-value.js';
import { completeLimits, limitProblems } from './judging/limits.js';
import { refusedTest } from './judging/run-of-test.js';
import type { Checker, Submission, TaskProgram, Test } from './judging/submission.js';
import { taskProgramProblems } from './judging/task-program-problems.js';
import { languageNames } from './sandbox/find-toolchains.js';
import type { RunLimits, SandboxJob, SandboxLanguage } from './sandbox/sandbox.js';

/** A request to judge, unpacked. */
export interface Asked {
  readonly submission: Submission;
  readonly feedback: FeedbackOptions;
  /** Longest wait for a slot, in milliseconds. */
  readonly queueBudgetMs: number | undefined;
}

const mostFiles = 100;
/** Half of what a sandbox's working folder holds. */
const mostFileBytes = 8 << 20;
/** Bytes; a file system takes no more than 255 in one name. */
const longestPath = 200;
const limitFields: Readonly<Record<keyof RunLimits, string>> = {
  cpuMs: 'limits.cpu_time',
  wallMs: 'limits.wall_time',
  memoryBytes: 'limits.memory_bytes',
  outputBytes: 'limits.output_bytes',
  processes: 'limits.processes',
};

/** Unpacks a request to judge. Throws INVALID_ARGUMENT. */
export function unpackJudge(request: JudgeRequest, languages: readonly SandboxLanguage[]): Asked {
  const { program, tests, checker, feedback } = request;
  const limits = unpackLimits(request.limits);
  const queueBudgetMs = toMs(request.queueBudget);
  const unpacked = tests.map(unpackTest);
  const ruling = {
    checker: unpackChecker(checker),
    ...(request.interactor === undefined ? {} : { interactor: unpackProgram(request.interactor) }),
  };
  const violations: Violation[] = [
    ...programViolations(program, languages),
    ...(tests.length === 0 ? [{ field: 'tests', description: 'must hold at least one test' }] : []),
    ...unpacked.flatMap((test, index) => testViolations(test, `tests[${index}]`)),
    ...unpacked.flatMap((test, index) => {
      const description = test === undefined ? undefined : refusedTest(test, program?.language, languages);
      return description === undefined ? [] : [{ field: `tests[${index}]`, description }];
    }),
    ...checkerViolations(checker),
    ...taskProgramProblems(ruling, unpacked, languages),
    ...limitViolations(limits),
    ...(queueBudgetMs !== undefined && queueBudgetMs < 0
      ? [{ field: 'queue_budget', description: 'must not be negative' }]
      : []),
  ];
  if (violations.length > 0) throw invalidArgument(violations);
  return {
    submission: {
      language: program?.language ?? '',
      source: program?.source ?? '',
      tests: unpacked.filter((test) => test !== undefined),
      ...ruling,
      limits,
      stopAtFirstFailure: request.stopAtFirstFailure,
    },
    feedback: {
      maxWrongAnswers: feedback?.maxWrongAnswers ?? defaultFeedback.maxWrongAnswers,
      selection: feedback?.selection === FeedbackSelection.RANDOM ? 'random' : 'shortest',
      seed: feedback?.seed ?? 0,
      maxCharacters: feedback?.maxCharacters ?? defaultFeedback.maxCharacters,
    },
    queueBudgetMs,
  };
}

/** Unpacks a request to execute. Throws INVALID_ARGUMENT. */
export function unpackExecute(request: ExecuteRequest, languages: readonly SandboxLanguage[]): SandboxJob {
  const { program, stdin, files } = request;
  const limits = unpackLimits(request.limits);
  const violations: Violation[] = [
    ...programViolations(program, languages),
    ...limitViolations(limits),
    ...(files.length > mostFiles
      ? [{ field: 'files', description: `must hold at most ${mostFiles} files` }]
      : []),
    ...(files.reduce((sum, { content }) => sum + content.length, 0) > mostFileBytes
      ? [{ field: 'files', description: `must hold at most ${mostFileBytes} bytes together` }]
      : []),
    ...files.flatMap(({ path }, index) => pathViolations(path, `files[${index}].path`)),
    ...placeViolations(files.map(({ path }) => path)),
  ];
  if (violations.length > 0) throw invalidArgument(violations);
  return {
    language: program?.language ?? '',
    source: program?.source ?? '',
    files,
    runs: [{ kind: 'stdio', input: stdin }],
    limits,
  };
}

function programViolations(
  program: Program | undefined,
  languages: readonly SandboxLanguage[],
): readonly Violation[] {
  if (program === undefined) return [{ field: 'program', description: 'must be set' }];
  if (languages.some(({ name }) => name === program.language)) return [];
  const names = languages.map(({ name }) => name).join(', ');
  const absent = languageNames.some((name) => name === program.language);
  const why = absent
    ? ', which this judge was started without: its README says what that language takes'
    : '';
  const description = `must be one of ${names}, is "${program.language}"${why}`;
  return [{ field: 'program.language', description }];
}

function unpackTest({ kind, hidden }: WireTest): Test | undefined {
  switch (kind?.$case) {
    case 'stdio':
      return { kind: 'stdio', input: kind.value.input, expected: kind.value.expectedOutput, hidden };
    case 'call': {
      const { function: name, argumentsJson, expectedJson } = kind.value;
      return { kind: 'call', name, argumentsJson, expectedJson, hidden };
    }
    case 'assert':
      return { kind: 'assert', code: kind.value.code, hidden };
    case 'interactive':
      return { kind: 'interactive', input: kind.value.input, expected: kind.value.expectedOutput, hidden };
    case undefined:
      return undefined;
  }
}

function testViolations(test: Test | undefined, field: string): readonly Violation[] {
  if (test === undefined)
    return [{ field, description: 'must be one of stdio, call, assert and interactive' }];
  if (test.kind !== 'call') return [];
  const description = 'must be one JSON value';
  return [
    ...(test.name === '' ? [{ field: `${field}.call.function`, description: 'must not be empty' }] : []),
    ...test.argumentsJson.flatMap((text, index) =>
      parseJson(text) === undefined ? [{ field: `${field}.call.arguments_json[${index}]`, description }] : [],
    ),
    ...(parseJson(test.expectedJson) === undefined
      ? [{ field: `${field}.call.expected_json`, description }]
      : []),
  ];
}

function checkerViolations(checker: JudgeRequest['checker']): readonly Violation[] {
  const description = 'must be a number of at least 0';
  const byProgram = checker?.kind === CheckerKind.PROGRAM;
  const told = byProgram
    ? 'must be set for CHECKER_KIND_PROGRAM'
    : 'must not be set but for CHECKER_KIND_PROGRAM';
  const program =
    byProgram === (checker?.program !== undefined) ? [] : [{ field: 'checker.program', description: told }];
  const tolerances = (['absoluteTolerance', 'relativeTolerance'] as const).flatMap((name) =>
    checker === undefined || checker[name] >= 0
      ? []
      : [
          {
            field: `checker.${name === 'absoluteTolerance' ? 'absolute' : 'relative'}_tolerance`,
            description,
          },
        ],
  );
  return [...program, ...tolerances];
}

function unpackChecker(checker: JudgeRequest['checker']): Checker {
  const { kind = CheckerKind.TRIMMED_LINES, absoluteTolerance = 0, relativeTolerance = 0 } = checker ?? {};
  const program = checker?.program === undefined ? {} : { program: unpackProgram(checker.program) };
  return { kind, absoluteTolerance, relativeTolerance, ...program };
}

function unpackProgram({ language, source }: Program): TaskProgram {
  return { language, source };
}

/** Unset limits, and zeros, take the defaults. */
function unpackLimits(limits: Limits | undefined): RunLimits {
  const { memoryBytes = 0, outputBytes = 0, processes = 0 } = limits ?? {};
  const cpuMs = toMs(limits?.cpuTime);
  const wallMs = toMs(limits?.wallTime);
  return completeLimits({
    ...(cpuMs === undefined ? {} : { cpuMs }),
    ...(wallMs === undefined ? {} : { wallMs }),
    ...(memoryBytes === 0 ? {} : { memoryBytes }),
    ...(outputBytes === 0 ? {} : { outputBytes }),
    ...(processes === 0 ? {} : { processes }),
  });
}

function limitViolations(limits: RunLimits): readonly Violation[] {
  return limitProblems(limits).map(({ limit, problem }) => ({
    field: limitFields[limit],
    description: limit.endsWith('Ms') ? `${problem} milliseconds` : problem,
  }));
}

function pathViolations(path: string, field: string): readonly Violation[] {
  const parts = path.split('/');
  const sound =
    Buffer.byteLength(path) <= longestPath &&
    !path.includes('\0') &&
    parts.every((part) => !['', '.', '..'].includes(part));
  return sound ? [] : [{ field, description: 'must be a relative path of at most 200 bytes without ".."' }];
}

/** Files that would stand in one place. */
function placeViolations(paths: readonly string[]): readonly Violation[] {
  return paths.flatMap((path, index) => {
    const field = `files[${index}].path`;
    const twin = paths.indexOf(path);
    if (twin < index) return [{ field, description: `is that of files[${twin}] too` }];
    const inside = paths.findIndex((other) => other.startsWith(`${path}/`));
    return inside < 0 ? [] : [{ field, description: `is a folder of files[${inside}]` }];
  });
}
