/** The body of POST /v1/completions. */
import { z } from 'zod';
import { invalidField } from './openai-error.js';
import { onlyNeutral, parseBody } from './parse-body.js';
import { maxTopLogprobs, sharedFields, type SharedFields } from './sampling-fields.js';

/** What a text completion is asked to do. */
export interface CompletionRequest {
  readonly fields: SharedFields;
  readonly prompts: readonly TextPrompt[];
  /** 0 only together with `echo`: the prompt is scored and nothing is written. */
  readonly maxTokens: number;
  /** The prompt, with its logprobs if they are asked for, stands before what is written. */
  readonly echo: boolean;
  /** Alternatives to tell beside every token; absent: no logprobs. */
  readonly topLogprobs: number | undefined;
}

/** A prompt as text or as token ids. */
export type TextPrompt = string | readonly number[];

/** What the API takes when nothing is said. */
const defaultMaxTokens = 16;

/** Parses a body; throws an `OpenAiError` naming the fields that are wrong. */
export function parseCompletionRequest(body: unknown): CompletionRequest {
  const fields = parseBody(schema, body);
  const { prompt, best_of } = fields;
  const echo = fields.echo ?? false;
  const maxTokens = fields.max_tokens ?? defaultMaxTokens;
  if (maxTokens === 0 && !echo) throw invalidField('max_tokens', 'must be at least 1 where echo is false');
  if (typeof best_of === 'number' && best_of !== (fields.n ?? 1))
    throw invalidField('best_of', 'is not supported: all n choices are returned', 'unsupported_parameter');
  return { fields, prompts: promptsOf(prompt), maxTokens, echo, topLogprobs: fields.logprobs ?? undefined };
}

const ids = z.array(z.int().min(0)).min(1);

const schema = z.strictObject({
  ...sharedFields,
  prompt: z.union(
    [z.string(), ids, z.array(z.string()).min(1), z.array(ids).min(1)],
    'must be a text, a list of texts, a list of token ids, or a list of such lists',
  ),
  max_tokens: z.int().min(0).nullish(),
  logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
  echo: z.boolean().nullish(),
  best_of: z.int().min(1).nullish(),
  suffix: onlyNeutral('the policy writes forwards', ''),
});

function promptsOf(prompt: z.output<typeof schema>['prompt']): readonly TextPrompt[] {
  if (typeof prompt === 'string') return [prompt];
  const texts = prompt.filter((each) => typeof each === 'string');
  if (texts.length > 0) return texts;
  const lists = prompt.filter((each) => Array.isArray(each));
  if (lists.length > 0) return lists;
  return [prompt.filter((each) => typeof each === 'number')];
}
