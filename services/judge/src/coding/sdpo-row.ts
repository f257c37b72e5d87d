/** Rows of the data sets that SDPO's reference implementation trains on: code tasks in the columns of verl. */
import { z } from 'zod';
import { parseJson } from '../judging/json-value.js';
import type { Checker, Test } from '../judging/submission.js';
import { titleOf } from './own-row.js';
import type { TaskRow } from './task.js';

/** What their judge takes for code; other rows are graded by other means. */
const codeSources = ['code', 'livecodebench', 'humanevalplus'] as const;
const checker: Checker = { kind: 'live-code-bench', absoluteTolerance: 0, relativeTolerance: 0 };
const memoryBytes = 1 << 30;
/** Where a row says nothing, in seconds. */
const usualTimeLimit = 1;

/** The tests of a row, as the JSON text in `reward_model.ground_truth` holds them. */
const bundle = z.object({
  inputs: z.array(z.unknown()).min(1),
  outputs: z.array(z.unknown()),
  testtype: z.enum(['stdin', 'functional']),
  fn_name: z.string().nullish(),
  time_limit: z.number().positive().nullish(),
});
type Bundle = z.infer<typeof bundle>;

/** A task, its tests public where it is of split `train`: those are what feedback may show. */
export const sdpoRow = z
  .object({
    data_source: z.enum(codeSources),
    prompt: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
    reward_model: z.object({ ground_truth: z.string() }),
    extra_info: z.object({
      split: z.string().min(1),
      index: z.union([z.int().transform(String), z.string().min(1)], 'must be a text or a whole number'),
      problem: z.string().nullish(),
    }),
  })
  .transform((row, context): TaskRow => {
    const { split, index, problem } = row.extra_info;
    const tests = readTests(row.reward_model.ground_truth, split !== 'train', (message) => {
      context.addIssue({ code: 'custom', path: ['reward_model', 'ground_truth'], message });
    });
    return {
      id: `${row.data_source}/${split}/${index}`,
      split,
      title: titleOf(problem ?? row.prompt.at(-1)?.content ?? ''),
      messages: row.prompt,
      language: 'python',
      answerFormat: 'fenced',
      prelude: '',
      tests: tests?.tests ?? [],
      rewardTests: 'all',
      checker,
      limits: { cpuMs: 1000 * (tests?.timeLimit ?? usualTimeLimit), memoryBytes },
    };
  });

function readTests(
  text: string,
  hidden: boolean,
  complain: (message: string) => void,
): { readonly tests: readonly Test[]; readonly timeLimit: number } | undefined {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    complain(`is no JSON text: ${String(error)}`);
    return undefined;
  }
  const parsed = bundle.safeParse(given);
  if (!parsed.success) {
    complain(`cannot be read: ${z.prettifyError(parsed.error)}`);
    return undefined;
  }
  const { inputs, outputs, time_limit: timeLimit } = parsed.data;
  if (inputs.length !== outputs.length) {
    complain(`holds ${inputs.length} inputs and ${outputs.length} outputs`);
    return undefined;
  }
  const tests = inputs.flatMap((input, at) => {
    const test = testOf(parsed.data, input, outputs[at], hidden);
    if (typeof test !== 'string') return [test];
    complain(`test ${at + 1} ${test}`);
    return [];
  });
  return { tests, timeLimit: timeLimit ?? usualTimeLimit };
}

/** A test, or what is wrong with it. */
function testOf(
  { testtype, fn_name: name }: Bundle,
  input: unknown,
  output: unknown,
  hidden: boolean,
): Test | string {
  if (testtype === 'stdin') {
    if (typeof input !== 'string' || typeof output !== 'string') return 'reads or writes what is no text';
    return { kind: 'stdio', input, expected: output, hidden };
  }
  if (typeof name !== 'string' || name === '') return 'calls a function without a name';
  if (typeof input !== 'string') return 'has arguments by name, which this judge does not pass';
  const argumentsJson = argumentsOf(input);
  if (argumentsJson === undefined) return 'has arguments that are no JSON values';
  return { kind: 'call', name, argumentsJson, expectedJson: resultOf(output), hidden };
}

/** One JSON value a line or, as the reference splits them, between blanks. */
function argumentsOf(text: string): readonly string[] | undefined {
  return [/\n/, /\s+/]
    .map((between) => text.split(between).filter((part) => part.trim() !== ''))
    .find((parts) => parts.every((part) => parseJson(part) !== undefined));
}

/** A value, or the JSON text of one. */
function resultOf(output: unknown): string {
  return typeof output === 'string' && parseJson(output) !== undefined ? output : JSON.stringify(output);
}
