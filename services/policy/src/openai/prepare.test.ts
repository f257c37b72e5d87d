import { describe, expect, it } from '@jest/globals';
import { RendererError, type EncodePromptOptions, type Message } from '@backsight/renderer';
import { scriptedCard } from '../scripted-engine.js';
import { OpenAiError } from './openai-error.js';
import { prepareChat, prepareCompletion, type Served } from './prepare.js';

const idsOf = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0) - 96);

/** Letters are ids; what was rendered last is kept. */
function served() {
  const rendered: { messages: readonly Message[]; options: EncodePromptOptions | undefined }[] = [];
  const renderer: Served['renderer'] = {
    encodePrompt: (messages, options) => {
      if (messages.some(({ role }) => role === 'tool')) throw new RendererError('no tools here');
      rendered.push({ messages, options });
      return messages.flatMap(({ content }) => idsOf(content));
    },
    extendPrompt: () => [],
    encodeText: idsOf,
    decode: (ids) => String.fromCharCode(...ids.map((id) => id + 96)),
    decodeWithSpecial: (ids) => String.fromCharCode(...ids.map((id) => id + 96)),
  };
  return { rendered, card: scriptedCard, renderer, version: 5 };
}

const messages = [{ role: 'user', content: 'ab' }];
const chat = (change: object) => prepareChat({ model: 'scripted', messages, ...change }, served());
const completion = (change: object) =>
  prepareCompletion({ model: 'scripted', prompt: 'ab', ...change }, served());

function refusal(work: () => unknown): { status: number; error: Record<string, unknown> } {
  try {
    work();
  } catch (error) {
    if (!(error instanceof OpenAiError)) throw error;
    return { status: error.status, ...(error.toBody() as { error: Record<string, unknown> }) };
  }
  throw new Error('It was accepted.');
}

describe('prepareChat', () => {
  it('has the defaults of the API, and the rest of the context to write in', () => {
    const { job, stream, withUsage, echo } = chat({});
    expect(job).toMatchObject({
      prompts: [[1, 2]],
      n: 1,
      sampling: { temperature: 1, topP: 1, maxTokens: 14, stopIds: [] },
      stopStrings: [],
      topTokens: 0,
    });
    expect(job.sampling.seed).not.toBe(chat({}).job.sampling.seed);
    expect({ stream, withUsage, echo }).toEqual({ stream: false, withUsage: false, echo: undefined });
  });

  it('takes every setting', () => {
    const { job, stream, withUsage } = chat({
      n: 3,
      temperature: 0.5,
      top_p: 0.9,
      seed: -1,
      max_completion_tokens: 4,
      stop: ['x', 'yz'],
      stop_token_ids: [7],
      logprobs: true,
      top_logprobs: 2,
      stream: true,
      stream_options: { include_usage: true },
      frequency_penalty: 0,
      presence_penalty: null,
      logit_bias: {},
      response_format: { type: 'text' },
      tool_choice: 'auto',
      user: 'someone',
      metadata: { a: 'b' },
      store: false,
    });
    expect(job).toEqual({
      prompts: [[1, 2]],
      n: 3,
      sampling: { temperature: 0.5, topP: 0.9, maxTokens: 4, seed: 2 ** 53 - 1, stopIds: [7] },
      stopStrings: ['x', 'yz'],
      topTokens: 2,
    });
    expect({ stream, withUsage }).toEqual({ stream: true, withUsage: true });
  });

  it('gives the chat template the tools and the calls, as templates read them', () => {
    const room = served();
    const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"x":1}' } };
    const said = [
      {
        role: 'developer',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call] },
    ];
    const parameters = { type: 'object', properties: { x: { type: 'number' } } };
    const tools = [
      { type: 'function', function: { name: 'f', description: 'does f', parameters, strict: true } },
      { type: 'function', function: { name: 'g' } },
    ];
    prepareChat({ model: 'scripted', messages: said, tools }, room);
    const quiet = { tools, tool_choice: 'none', chat_template_kwargs: { enable_thinking: false } };
    prepareChat({ model: 'scripted', messages: said, ...quiet }, room);
    expect(room.rendered[0]).toEqual({
      messages: [
        { role: 'system', content: 'ab' },
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ ...call, function: { name: 'f', arguments: { x: 1 } } }],
        },
      ],
      options: {
        tools: [
          { name: 'f', description: 'does f', parameters },
          { name: 'g', description: '' },
        ],
        templateArguments: {},
      },
    });
    expect(room.rendered[1]?.options).toEqual({ tools: [], templateArguments: { enable_thinking: false } });
  });

  it.each<[string, object, string, string]>([
    ['no messages', { messages: [] }, 'messages', 'invalid_value'],
    ['an unknown role', { messages: [{ role: 'judge', content: '' }] }, 'messages[0].role', 'invalid_value'],
    [
      'an image',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content',
      'invalid_value',
    ],
    [
      'what the template refuses',
      { messages: [{ role: 'tool', content: 'a' }] },
      'messages',
      'invalid_value',
    ],
    [
      'a prompt too long',
      { messages: [{ role: 'user', content: 'a'.repeat(16) }] },
      'messages',
      'context_length_exceeded',
    ],
    ['no choice', { n: 0 }, 'n', 'invalid_value'],
    ['a negative temperature', { temperature: -0.1 }, 'temperature', 'invalid_value'],
    ['top_p of 0', { top_p: 0 }, 'top_p', 'invalid_value'],
    ['an empty stop string', { stop: ['a', ''] }, 'stop[1]', 'invalid_value'],
    ['a stop id outside the vocabulary', { stop_token_ids: [100] }, 'stop_token_ids', 'invalid_value'],
    ['two lengths', { max_tokens: 3, max_completion_tokens: 4 }, 'max_tokens', 'invalid_value'],
    ['alternatives without logprobs', { top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
    [
      'more alternatives than the API has',
      { logprobs: true, top_logprobs: 21 },
      'top_logprobs',
      'invalid_value',
    ],
    ['stream options without a stream', { stream_options: {} }, 'stream_options', 'invalid_value'],
    ['a penalty', { frequency_penalty: 0.5 }, 'frequency_penalty', 'unsupported_parameter'],
    ['a bias', { logit_bias: { 5: 1 } }, 'logit_bias', 'unsupported_parameter'],
    [
      'a JSON answer',
      { response_format: { type: 'json_object' } },
      'response_format',
      'unsupported_parameter',
    ],
    ['a forced call', { tool_choice: 'required' }, 'tool_choice', 'unsupported_parameter'],
    ['a field that nobody knows', { frequency: 1 }, 'frequency', 'unsupported_parameter'],
  ])('refuses %s, naming the field', (_, change, param, code) => {
    expect(refusal(() => chat(change))).toMatchObject({
      status: 400,
      error: { type: 'invalid_request_error', param, code, message: expect.stringContaining(param) },
    });
  });

  it('tells everything that is wrong at once', () => {
    const { message } = refusal(() => chat({ n: 0, seed: 0.5, best: 1 })).error;
    for (const field of ['n: ', 'seed: ', 'best: ']) expect(message).toContain(field);
  });

  it.each<[string, object, string]>([
    ['a model', { model: undefined }, 'model: is missing'],
    ['messages', { messages: undefined }, 'messages: is missing'],
    ['the content of a part', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'content'],
    ['a stop of another type', { stop: 5 }, 'stop: must be a text, or a list of at most 64'],
    ['stops of another type', { stop: [1, 2] }, 'stop: must be a text, or a list of at most 64'],
  ])('says what is expected of %s', (_, change, message) => {
    expect(refusal(() => chat(change)).error['message']).toContain(message);
  });

  it.each([undefined, null, 'text', [[]]])('asks for a JSON object where the body is %j', (body) => {
    const { status, error } = refusal(() => prepareChat(body, served()));
    expect([status, error['message']]).toEqual([
      400,
      'The body must be a JSON object, sent with content-type: application/json.',
    ]);
  });

  it('knows its own model alone', () => {
    expect(refusal(() => chat({ model: 'gpt' }))).toMatchObject({
      status: 404,
      error: { param: 'model', code: 'model_not_found' },
    });
  });
});

describe('prepareCompletion', () => {
  it.each<[unknown, number[][]]>([
    ['ab', [[1, 2]]],
    [
      ['ab', 'c'],
      [[1, 2], [3]],
    ],
    [[4, 5], [[4, 5]]],
    [
      [[4, 5], [6]],
      [[4, 5], [6]],
    ],
  ])('reads the prompt %j', (prompt, prompts) => {
    expect(completion({ prompt }).job).toMatchObject({ prompts, sampling: { maxTokens: 16 } });
  });

  it('scores a prompt that it echoes, without writing if nothing is to be written', () => {
    expect(completion({ echo: true, logprobs: 2, max_tokens: 0 })).toMatchObject({
      echo: { scored: 2 },
      job: { topTokens: 2, sampling: { maxTokens: 0 } },
    });
    expect(completion({ echo: true }).echo).toEqual({ scored: undefined });
  });

  it.each<[string, object, string]>([
    ['no prompt', { prompt: undefined }, 'prompt'],
    ['an empty prompt', { prompt: '' }, 'prompt'],
    ['a mixture', { prompt: ['a', 3] }, 'prompt'],
    ['one of two prompts outside the vocabulary', { prompt: [[1], [100]] }, 'prompt[1]'],
    ['nothing to write', { max_tokens: 0 }, 'max_tokens'],
    ['the best of many', { best_of: 3, n: 2 }, 'best_of'],
    ['a suffix', { suffix: 'b' }, 'suffix'],
    ['logprobs of a chat', { logprobs: true }, 'logprobs'],
  ])('refuses %s, naming the field', (_, change, param) => {
    expect(refusal(() => completion(change))).toMatchObject({ status: 400, error: { param } });
  });
});
