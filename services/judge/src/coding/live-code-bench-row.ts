/** LiveCodeBench rows as their authors publish them (livecodebench/code_generation_lite). */
import { inflateSync } from 'node:zlib';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';
import { z } from 'zod';
import { parseJson } from '../judging/json-value.js';
import type { Checker, Test } from '../judging/submission.js';
import { readPickledText } from './pickled-text.js';
import type { TaskRow } from './task.js';

const testCase = z.object({
  input: z.string(),
  output: z.string(),
  testtype: z.enum(['stdin', 'functional']),
});
type TestCase = z.infer<typeof testCase>;

/** The official checker's comparison; its tolerances are none. */
const checker: Checker = { kind: 'live-code-bench', absoluteTolerance: 0, relativeTolerance: 0 };
/** 6 s as the official checker allows; 1 GiB as the SDPO reference's judge does. */
const limits = { cpuMs: 6000, memoryBytes: 1 << 30 };
const mostUnpacked = 1 << 28;

/**
 * Two tasks: `<question>` of split `test` with all tests, the private ones hidden; `<question>/train` of split `train`
 * with a random half of the private tests (at least one, seed 0, order kept), which feedback may show.
 */
export const liveCodeBenchRow = z
  .object({
    question_title: z.string(),
    question_content: z.string().min(1),
    question_id: z.string().min(1),
    starter_code: z.string().default(''),
    public_test_cases: z.string(),
    private_test_cases: z.string(),
    metadata: z.string().default('{}'),
  })
  .transform((row, context): readonly TaskRow[] => {
    const functionName = read(context, 'metadata', () => functionOf(row.metadata));
    const shown = read(context, 'public_test_cases', () => parseCases(row.public_test_cases));
    const kept = read(context, 'private_test_cases', () => parseCases(unpack(row.private_test_cases)));
    const asTests = (
      field: string,
      cases: readonly TestCase[] | undefined,
      hidden: boolean,
    ): readonly Test[] =>
      (cases ?? []).flatMap((each, at) => {
        const test = testOf(each, functionName ?? undefined, hidden);
        if (typeof test !== 'string') return [test];
        context.addIssue({ code: 'custom', path: [field, at], message: test });
        return [];
      });
    const task = {
      title: row.question_title,
      messages: [{ role: 'user', content: question(row.question_content, row.starter_code) }],
      language: 'python',
      answerFormat: 'fenced',
      prelude: '',
      checker,
      limits,
    } as const;
    const publicTests = asTests('public_test_cases', shown, false);
    const privateTests = asTests('private_test_cases', kept, true);
    const half = halfOf(privateTests).map((test) => ({ ...test, hidden: false }));
    return [
      {
        ...task,
        id: row.question_id,
        split: 'test',
        tests: [...publicTests, ...privateTests],
        rewardTests: 'all',
      },
      ...(half.length === 0
        ? []
        : [
            {
              ...task,
              id: `${row.question_id}/train`,
              split: 'train',
              tests: half,
              rewardTests: 'public',
            } as const,
          ]),
    ];
  });

/** The value, or undefined and a remark on the field. */
function read<Value>(context: z.RefinementCtx, field: string, make: () => Value): Value | undefined {
  try {
    return make();
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    context.addIssue({ code: 'custom', path: [field], message: `cannot be read: ${message}` });
    return undefined;
  }
}

function functionOf(metadata: string): string | null {
  return z.object({ func_name: z.string().nullish() }).parse(JSON.parse(metadata)).func_name ?? null;
}

function parseCases(text: string): readonly TestCase[] {
  return z.array(testCase).parse(JSON.parse(text));
}

/** The JSON text itself, or base64 of zlib of a pickled string of it. */
function unpack(text: string): string {
  if (text.trimStart().startsWith('[')) return text;
  return readPickledText(inflateSync(Buffer.from(text, 'base64'), { maxOutputLength: mostUnpacked }));
}

/** The test, or what is wrong with it. */
function testOf(
  { input, output, testtype }: TestCase,
  name: string | undefined,
  hidden: boolean,
): Test | string {
  if (testtype === 'stdin') return { kind: 'stdio', input, expected: output, hidden };
  if (name === undefined) return 'is functional, but metadata has no func_name';
  const argumentsJson = input.split('\n').filter((line) => line.trim() !== '');
  const bad = argumentsJson.findIndex((line) => parseJson(line) === undefined);
  if (bad >= 0) return `input line ${bad + 1} is no JSON value`;
  if (parseJson(output) === undefined) return 'output is no JSON value';
  return { kind: 'call', name, argumentsJson, expectedJson: output, hidden };
}

function question(content: string, starterCode: string): string {
  const given =
    starterCode.trim() === ''
      ? 'Read from standard input and write to standard output.'
      : `Complete this code:\n\n\`\`\`python\n${starterCode.trimEnd()}\n\`\`\``;
  return `${content.trimEnd()}\n\n${given}\n\nAnswer with the whole program in one fenced \`\`\`python block.`;
}

function halfOf(tests: readonly Test[]): readonly Test[] {
  const random = mersenne(0);
  const left = tests.map((_, index) => index);
  const count = Math.min(tests.length, Math.max(1, Math.floor(tests.length / 2)));
  const drawn = Array.from(
    { length: count },
    () => left.splice(uniformInt(random, 0, left.length - 1), 1)[0] ?? 0,
  );
  return drawn.sort((one, other) => one - other).flatMap((index) => tests[index] ?? []);
}
