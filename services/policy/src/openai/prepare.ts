/** Turns parsed requests into work for the engine, checked against the model. */
import { randomUUID } from 'node:crypto';
import type { ModelCard, Sampling } from '@backsight/engine';
import { RendererError, type Renderer } from '@backsight/renderer';
import type { Answer, AnswerHeading } from './answer.js';
import { chatAnswer } from './chat-answer.js';
import { parseChatRequest } from './chat-request.js';
import { completionAnswer } from './completion-answer.js';
import { parseCompletionRequest, type TextPrompt } from './completion-request.js';
import { invalidField, OpenAiError } from './openai-error.js';
import type { TextJob } from './sample-texts.js';
import { samplingOf, stopStringsOf, type SharedFields } from './sampling-fields.js';

/** What requests are checked against and rendered with. */
export interface Served {
  readonly card: ModelCard;
  readonly renderer: Renderer;
  /** Version of the current weights. */
  readonly version: number;
}

/** A request that is right: what to do and how to answer. */
export interface PreparedRequest {
  readonly job: Omit<TextJob, 'echoes'>;
  readonly answer: Answer;
  /** Whether prompts stand before their choices, and with how many alternatives per token; `scored` absent: no logprobs. */
  readonly echo: { readonly scored: number | undefined } | undefined;
  readonly stream: boolean;
  readonly withUsage: boolean;
}

/** Prepares POST /v1/chat/completions; throws an `OpenAiError` for what is wrong. */
export function prepareChat(body: unknown, { card, renderer, version }: Served): PreparedRequest {
  const { fields, messages, tools, templateArguments, maxTokens, topLogprobs } = parseChatRequest(body);
  requireModel(fields, card);
  const prompt = encoded('messages', () => renderer.encodePrompt(messages, { tools, templateArguments }));
  requirePrompt('messages', prompt, card);
  const n = fields.n ?? 1;
  const sampling = samplingOf(fields, maxTokens ?? card.contextWindow - prompt.length);
  const answer = chatAnswer(headingOf('chatcmpl', card), renderer, {
    n,
    promptTokens: prompt.length,
    topLogprobs,
    withUsage: withUsage(fields),
    policyVersion: version,
  });
  return prepared(fields, card, { prompts: [prompt], sampling, topLogprobs, answer });
}

/** Prepares POST /v1/completions; throws an `OpenAiError` for what is wrong. */
export function prepareCompletion(body: unknown, { card, renderer }: Served): PreparedRequest {
  const request = parseCompletionRequest(body);
  const { fields, maxTokens, topLogprobs, echo } = request;
  requireModel(fields, card);
  const prompts = request.prompts.map((prompt, index) => {
    const field = request.prompts.length === 1 ? 'prompt' : `prompt[${index}]`;
    const ids = idsOf(field, prompt, renderer);
    requirePrompt(field, ids, card, maxTokens === 0 ? 0 : 1);
    return ids;
  });
  const answer = completionAnswer(headingOf('cmpl', card), renderer, {
    promptTokens: prompts.reduce((sum, ids) => sum + ids.length, 0),
    topLogprobs,
    withUsage: withUsage(fields),
  });
  const work = { prompts, sampling: samplingOf(fields, maxTokens), topLogprobs, answer };
  return { ...prepared(fields, card, work), echo: echo ? { scored: topLogprobs } : undefined };
}

function prepared(
  fields: SharedFields,
  card: ModelCard,
  work: {
    readonly prompts: readonly (readonly number[])[];
    readonly sampling: Sampling;
    readonly topLogprobs: number | undefined;
    readonly answer: Answer;
  },
): PreparedRequest {
  const { prompts, sampling, topLogprobs = 0, answer } = work;
  requireIds('stop_token_ids', sampling.stopIds, card);
  const topTokens = Math.min(topLogprobs, card.vocabularySize);
  return {
    job: { prompts, n: fields.n ?? 1, sampling, stopStrings: stopStringsOf(fields), topTokens },
    answer,
    echo: undefined,
    stream: fields.stream ?? false,
    withUsage: withUsage(fields),
  };
}

function withUsage({ stream, stream_options }: SharedFields): boolean {
  if (stream !== true && stream_options !== undefined && stream_options !== null)
    throw invalidField('stream_options', 'needs stream to be true');
  return stream_options?.include_usage ?? false;
}

function headingOf(prefix: string, { model }: ModelCard): AnswerHeading {
  const id = `${prefix}-${randomUUID().replaceAll('-', '')}`;
  return { id, created: Math.floor(Date.now() / 1000), model };
}

function requireModel({ model }: SharedFields, card: ModelCard): void {
  if (model === card.model) return;
  const message = `There is no model ${JSON.stringify(model)} here; this policy is ${JSON.stringify(card.model)}.`;
  throw new OpenAiError(404, message, { param: 'model', code: 'model_not_found' });
}

function idsOf(field: string, prompt: TextPrompt, renderer: Renderer): readonly number[] {
  return typeof prompt === 'string' ? encoded(field, () => renderer.encodeText(prompt)) : prompt;
}

function encoded(field: string, encode: () => readonly number[]): readonly number[] {
  try {
    return encode();
  } catch (error) {
    if (error instanceof RendererError) throw invalidField(field, error.message);
    throw error;
  }
}

function requirePrompt(field: string, ids: readonly number[], card: ModelCard, room = 1): void {
  if (ids.length === 0) throw invalidField(field, 'makes no tokens');
  requireIds(field, ids, card);
  if (ids.length + room <= card.contextWindow) return;
  const problem = `makes ${ids.length} tokens, which leaves no room in the context of ${card.contextWindow}`;
  throw invalidField(field, problem, 'context_length_exceeded');
}

function requireIds(field: string, ids: readonly number[], { vocabularySize }: ModelCard): void {
  const foreign = ids.find((id) => id >= vocabularySize);
  if (foreign !== undefined)
    throw invalidField(field, `${foreign} is not a token id in [0, ${vocabularySize})`);
}
