/** The body of POST /v1/chat/completions. */
import type { Message, Tool } from '@backsight/renderer';
import { z } from 'zod';
import { invalidField } from './openai-error.js';
import { ignored, onlyNeutral, parseBody } from './parse-body.js';
import { maxTopLogprobs, sharedFields, type SharedFields } from './sampling-fields.js';

/** What a chat completion is asked to do. */
export interface ChatRequest {
  readonly fields: SharedFields;
  /** As a chat template reads them. */
  readonly messages: readonly TemplateMessage[];
  readonly tools: readonly Tool[];
  /** Variables of the chat template. */
  readonly templateArguments: Readonly<Record<string, unknown>>;
  /** Absent: up to the end of the context. */
  readonly maxTokens: number | undefined;
  /** Alternatives to tell beside every token; absent: no logprobs. */
  readonly topLogprobs: number | undefined;
}

/** A message with what templates of models that call functions read beside role and content. */
export interface TemplateMessage extends Message {
  readonly name?: string;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly object[];
}

/** Parses a body; throws an `OpenAiError` naming the fields that are wrong. */
export function parseChatRequest(body: unknown): ChatRequest {
  const fields = parseBody(schema, body);
  const { max_tokens, max_completion_tokens, logprobs, top_logprobs } = fields;
  const lengths = [max_completion_tokens, max_tokens].filter((length) => typeof length === 'number');
  if (lengths.length === 2 && lengths[0] !== lengths[1])
    throw invalidField('max_tokens', `is ${String(max_tokens)} where max_completion_tokens is another`);
  if ((top_logprobs ?? 0) > 0 && logprobs !== true)
    throw invalidField('top_logprobs', 'needs logprobs to be true');
  return {
    fields,
    messages: fields.messages.map(templateMessage),
    tools: fields.tool_choice === 'none' ? [] : (fields.tools ?? []).map(toolOf),
    templateArguments: fields.chat_template_kwargs ?? {},
    maxTokens: lengths[0],
    topLogprobs: logprobs === true ? (top_logprobs ?? 0) : undefined,
  };
}

const textPart = z.object({
  type: z.literal('text', 'must be "text", the only kind of part'),
  text: z.string(),
});

const toolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(textPart)], 'must be a text, or a list of text parts').nullish(),
  name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
  tool_calls: z.array(toolCall).nullish(),
});

const tool = z.object({
  type: z.literal('function', 'must be "function", the only kind of tool'),
  function: z.object({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
  }),
});

const positive = z.int().min(1).nullish();

const schema = z.strictObject({
  ...sharedFields,
  messages: z.array(message).min(1, 'must hold at least one message'),
  tools: z.array(tool).nullish(),
  tool_choice: onlyNeutral('the policy cannot be forced to call a tool', 'auto', 'none'),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
  max_tokens: positive,
  max_completion_tokens: positive,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(maxTopLogprobs).nullish(),
  response_format: onlyNeutral('answers are not constrained', { type: 'text' }),
  modalities: onlyNeutral('answers are text', ['text']),
  audio: onlyNeutral('answers are text'),
  prediction: onlyNeutral('nothing is predicted'),
  web_search_options: onlyNeutral('the policy does not search'),
  reasoning_effort: onlyNeutral('the policy reasons as it was trained to'),
  functions: onlyNeutral('pass tools'),
  function_call: onlyNeutral('pass tools'),
  parallel_tool_calls: ignored,
  metadata: ignored,
  store: ignored,
  service_tier: ignored,
  safety_identifier: ignored,
  prompt_cache_key: ignored,
});

/** Templates know no developer, expect the content as one text, and arguments of calls as an object. */
function templateMessage({
  role,
  content,
  name,
  tool_call_id,
  tool_calls,
}: z.output<typeof message>): TemplateMessage {
  return {
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join(''),
    ...(typeof name === 'string' && { name }),
    ...(typeof tool_call_id === 'string' && { tool_call_id }),
    ...(tool_calls && {
      tool_calls: tool_calls.map((call) => ({
        ...call,
        function: { ...call.function, arguments: argumentsOf(call.function.arguments) },
      })),
    }),
  };
}

function argumentsOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function toolOf({ function: { name, description, parameters } }: z.output<typeof tool>): Tool {
  return { name, description: description ?? '', ...(parameters && { parameters }) };
}
