/** Parses a request body with a schema, and says what is wrong with it field by field. */
import { z } from 'zod';
import { OpenAiError } from './openai-error.js';

/** Problems told at once. */
const told = 8;

/** The parsed body; throws an `OpenAiError` of status 400 that names every field that is wrong, the first as its `param`. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new OpenAiError(400, 'The body must be a JSON object, sent with content-type: application/json.', {
      code: 'invalid_value',
    });
  const result = schema.safeParse(body, {
    error: ({ code, input }) => (code === 'invalid_type' && input === undefined ? 'is missing' : undefined),
  });
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap(problemsOf);
  const [first] = problems;
  const message = problems
    .slice(0, told)
    .map(({ param, problem }) => (param === '' ? problem : `${param}: ${problem}`))
    .join('; ');
  throw new OpenAiError(400, message, {
    param: first?.param === '' ? undefined : first?.param,
    code: first?.code ?? 'invalid_value',
  });
}

/** A field that is accepted only where it asks for nothing: absent, null, or one of the given values. */
export function onlyNeutral(what: string, ...neutral: readonly unknown[]) {
  const texts = neutral.map((value) => JSON.stringify(value));
  return z
    .unknown()
    .optional()
    .refine((value) => value === undefined || value === null || texts.includes(JSON.stringify(value)), {
      error: `is not supported: ${what}`,
      params: { unsupported: true },
    });
}

/** A field that is accepted and ignored. */
export const ignored = z.unknown().optional();

interface Problem {
  readonly param: string;
  readonly problem: string;
  readonly code: string;
}

function problemsOf(issue: z.core.$ZodIssue): readonly Problem[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      param: pathText([...issue.path, key]),
      problem: 'is not a field that this policy knows',
      code: 'unsupported_parameter',
    }));
  const unsupported = issue.code === 'custom' && issue.params?.['unsupported'] === true;
  return [
    {
      param: pathText(issue.path),
      problem: issue.message.replace(/^Invalid input: /, ''),
      code: unsupported ? 'unsupported_parameter' : 'invalid_value',
    },
  ];
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
