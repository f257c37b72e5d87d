/** Backsight's own task rows, one JSON object a line. */
import { CheckerKind } from '@backsight/contract/judge';
import { z } from 'zod';
import { parseJson } from '../judging/json-value.js';
import { limitProblems, completeLimits } from '../judging/limits.js';
import type { Checker, TaskProgram, Test } from '../judging/submission.js';
import type { RunLimits } from '../sandbox/sandbox.js';
import type { TaskRow } from './task.js';

const json = z
  .unknown()
  .refine((value) => value !== undefined, 'must be a JSON value')
  .transform((value) => JSON.stringify(value));
const jsonText = z
  .string()
  .refine((text) => parseJson(text) !== undefined, 'must be the text of a JSON value');
const text = z.string();
const name = text.min(1, 'must not be empty');
const hidden = z.boolean().default(false);

const stdioTest = z
  .strictObject({ input: text, output: text, hidden })
  .transform((row): Test => ({ kind: 'stdio', input: row.input, expected: row.output, hidden: row.hidden }));
const callTest = z
  .strictObject({ function: name, arguments: z.array(json), expected: json, hidden })
  .transform((row) => callOf(row.function, row.arguments, row.expected, row.hidden));
/** For values that JSON.parse cannot keep, such as whole numbers beyond 2^53: their texts. */
const callTextTest = z
  .strictObject({ function: name, arguments_json: z.array(jsonText), expected_json: jsonText, hidden })
  .transform((row) => callOf(row.function, row.arguments_json, row.expected_json, row.hidden));
const assertTest = z
  .strictObject({ assert: name, hidden })
  .transform((row): Test => ({ kind: 'assert', code: row.assert, hidden: row.hidden }));

const test = z.looseObject({}).transform((row, context): Test => {
  const parsed = testShape(row).safeParse(row);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues)
    context.addIssue({ code: 'custom', message: issue.message, path: issue.path });
  return z.NEVER;
});

/** A program of the task's own. */
const taskProgram = z
  .strictObject({ program: name, language: name.default('python') })
  .transform((row): TaskProgram => ({ language: row.language, source: row.program }));

const checkerKinds = {
  exact: CheckerKind.EXACT,
  trimmed_lines: CheckerKind.TRIMMED_LINES,
  tokens: CheckerKind.TOKENS,
  floats: CheckerKind.FLOATS,
  unordered_lines: CheckerKind.UNORDERED_LINES,
} as const;
const checkerName = z.enum(['exact', 'trimmed_lines', 'tokens', 'floats', 'unordered_lines']);
const tolerance = z.number().min(0).default(0);
const checker = z.union(
  [
    checkerName.transform((kind) => checkerOf(kind, 0, 0)),
    z
      .strictObject({ kind: checkerName, absolute_tolerance: tolerance, relative_tolerance: tolerance })
      .transform((row) => checkerOf(row.kind, row.absolute_tolerance, row.relative_tolerance)),
    taskProgram.transform((program): Checker => ({
      ...checkerOf('exact', 0, 0),
      kind: CheckerKind.PROGRAM,
      program,
    })),
  ],
  `must be one of ${checkerName.options.join(', ')}, {kind, absolute_tolerance, relative_tolerance}, or {program, language}`,
);

/** What is compared when a row does not say. */
export const defaultChecker: Checker = checkerOf('trimmed_lines', 0, 0);

const message = z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: text });

/** A row, checked field by field. */
export const ownRow = z
  .strictObject({
    task_id: z.union([name, z.int().transform(String)], 'must be a text or a whole number'),
    split: name.default('train'),
    title: text.default(''),
    prompt: name.optional(),
    messages: z.array(message).min(1).optional(),
    language: name.default('python'),
    answer_format: z.enum(['fenced', 'plain']).default('fenced'),
    prelude: text.default(''),
    tests: z.array(test).min(1),
    reward_tests: z.enum(['public', 'hidden', 'all']).optional(),
    checker: checker.default(defaultChecker),
    interactor: taskProgram.optional(),
    time_limit_s: z.number().positive().optional(),
    memory_limit_mb: z.number().positive().optional(),
  })
  .transform((row, context): TaskRow => {
    const limits: Partial<RunLimits> = {
      ...(row.time_limit_s === undefined ? {} : { cpuMs: Math.round(row.time_limit_s * 1000) }),
      ...(row.memory_limit_mb === undefined
        ? {}
        : { memoryBytes: Math.round(row.memory_limit_mb * (1 << 20)) }),
    };
    for (const { limit, problem } of limitProblems(completeLimits(limits))) {
      const field = limit === 'memoryBytes' ? 'memory_limit_mb' : 'time_limit_s';
      context.addIssue({ code: 'custom', path: [field], message: `gives a ${limit} that ${problem}` });
    }
    if ((row.prompt === undefined) === (row.messages === undefined)) {
      context.addIssue({
        code: 'custom',
        path: ['prompt'],
        message: 'exactly one of prompt and messages must be given',
      });
    }
    return {
      id: row.task_id,
      split: row.split,
      title: row.title === '' ? titleOf(row.prompt ?? row.messages?.at(-1)?.content ?? '') : row.title,
      messages: row.messages ?? [{ role: 'user', content: row.prompt ?? '' }],
      language: row.language,
      answerFormat: row.answer_format,
      prelude: row.prelude === '' || row.prelude.endsWith('\n') ? row.prelude : `${row.prelude}\n`,
      tests: row.interactor === undefined ? row.tests : row.tests.map(asInteractive),
      rewardTests: row.reward_tests,
      checker: row.checker,
      ...(row.interactor === undefined ? {} : { interactor: row.interactor }),
      limits,
    };
  });

/** The first line of a question, cut to fit a list. */
export function titleOf(question: string): string {
  const [line = ''] = question.trim().split('\n');
  return line.length <= 80 ? line : `${line.slice(0, 77)}...`;
}

/** Beside an interactor, a test's input and output are for it. */
function asInteractive(each: Test): Test {
  return each.kind === 'stdio' ? { ...each, kind: 'interactive' } : each;
}

function testShape(row: object): z.ZodType<Test> {
  if ('assert' in row) return assertTest;
  if ('arguments_json' in row) return callTextTest;
  return 'function' in row ? callTest : stdioTest;
}

function callOf(
  functionName: string,
  argumentsJson: readonly string[],
  expectedJson: string,
  isHidden: boolean,
): Test {
  return { kind: 'call', name: functionName, argumentsJson, expectedJson, hidden: isHidden };
}

function checkerOf(
  kind: keyof typeof checkerKinds,
  absoluteTolerance: number,
  relativeTolerance: number,
): Checker {
  return { kind: checkerKinds[kind], absoluteTolerance, relativeTolerance };
}
