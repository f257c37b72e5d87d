import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readModelTexts, type Engine } from '@backsight/engine';
import { loadOrtEngine } from '@backsight/engine-ort';
import { createLogger } from '@backsight/rpc';
import { createRenderer } from '@backsight/renderer';
import OpenAI from 'openai';
import { startPolicy, type StartedPolicy } from '../policy.js';

const modelFolder = join(import.meta.dirname, '../../../../models/tiny/weights');
const never = new AbortController().signal;
const model = 'weights';
const messages = [{ role: 'user' as const, content: 'prune then hop' }];
const question = { model, messages };
/** The client calls the field beta and marks it deprecated; this policy keeps its promise. */
const seeded = (seed: number): object => ({ seed });

let folder = '';
let engine: Engine;
let room: StartedPolicy;
let client: OpenAI;
let renderer: ReturnType<typeof createRenderer>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'policy-openai-'));
  const texts = await readModelTexts(modelFolder);
  renderer = createRenderer(texts);
  engine = await loadOrtEngine({
    modelFolder,
    checkpointFolder: join(folder, 'checkpoints'),
    threads: 1,
    generationSlots: 4,
    microBatchTokens: 1024,
  });
  const config = {
    address: '127.0.0.1:0',
    openAiAddress: '127.0.0.1:0',
    metricsAddress: undefined,
    maxConnectionAgeMs: undefined,
    follow: undefined,
    maxExamples: 100,
    maxPendingCompletions: 8,
  };
  room = await startPolicy(config, engine, texts, createLogger({ name: 'policy', level: 'silent' }));
  client = clientOf(room);
});
afterAll(async () => {
  await room.shutdown(1000);
  await rm(folder, { recursive: true });
});

const clientOf = ({ openAiAddress }: StartedPolicy) =>
  new OpenAI({ baseURL: `http://${openAiAddress!}/v1`, apiKey: 'none', maxRetries: 0, timeout: 20_000 });

/** What the engine itself answers. */
async function sampled(
  prompt: readonly number[],
  sampling: { temperature: number; seed: number; maxTokens: number },
) {
  const request = { prompts: [prompt], groupSize: 1, sampling: { topP: 1, stopIds: [], ...sampling } };
  for await (const completion of engine.generate(request, never)) return completion;
  throw new Error('Nothing was sampled.');
}

async function scored(promptIds: readonly number[], completionIds: readonly number[]) {
  const request = {
    items: [{ promptIds, completionIds }],
    weights: 'student',
    temperature: 1,
    topK: 0,
  } as const;
  return (await engine.score(request, never))[0]!.logprobs;
}

const refused = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof OpenAI.APIError)) throw new Error('It was not refused.', { cause: error });
  return error;
};

describe('GET /v1/models', () => {
  it('names the one model, its context and the version of its weights', async () => {
    const found = [];
    for await (const each of client.models.list()) found.push(each);
    expect(found).toMatchObject([
      {
        id: model,
        object: 'model',
        owned_by: 'backsight',
        context_window: 256,
        policy_version: engine.version,
      },
    ]);
    expect(await client.models.retrieve(model)).toEqual(found[0]);
    expect(await refused(client.models.retrieve('other'))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });
});

describe('POST /v1/chat/completions', () => {
  it('answers what the engine samples, and counts its tokens', async () => {
    const answer = await client.chat.completions.create({ ...question, temperature: 0 });
    const prompt = renderer.encodePrompt(messages);
    const own = await sampled(prompt, { temperature: 0, seed: 0, maxTokens: 200 });
    expect(answer.choices[0]?.message).toMatchObject({
      role: 'assistant',
      content: renderer.decode(own.tokenIds),
    });
    expect(answer.choices[0]?.finish_reason).toBe(own.finishReason);
    expect(answer.usage).toEqual({
      prompt_tokens: prompt.length,
      completion_tokens: own.tokenIds.length,
      total_tokens: prompt.length + own.tokenIds.length,
    });
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model,
      system_fingerprint: 'policy-version-0',
    });
    expect(answer._request_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers n times, alike for the same seed and otherwise for another', async () => {
    const ask = async (seed: number) =>
      (await client.chat.completions.create({ ...question, n: 4, ...seeded(seed) })).choices.map(
        ({ message }) => message.content,
      );
    const first = await ask(7);
    expect(new Set(first).size).toBeGreaterThan(1);
    expect(await ask(7)).toEqual(first);
    expect(await ask(8)).not.toEqual(first);
  });

  it('streams what it would answer whole: texts, logprobs, ends and usage', async () => {
    const asked = {
      ...question,
      n: 3,
      ...seeded(5),
      logprobs: true,
      top_logprobs: 2,
      stop: ['print', 'zzz'],
    };
    const whole = await client.chat.completions.create(asked);
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    const choices = whole.choices.map(() => ({
      role: '',
      content: '',
      tokens: [] as unknown[],
      end: '',
      pieces: 0,
    }));
    let usage: unknown;
    for await (const chunk of await client.chat.completions.create({ ...asked, ...options })) {
      usage = chunk.usage ?? usage;
      for (const { index, delta, logprobs, finish_reason } of chunk.choices) {
        const choice = choices[index]!;
        choice.role += delta.role ?? '';
        choice.content += delta.content ?? '';
        choice.pieces += 1;
        choice.tokens.push(...(logprobs?.content ?? []));
        choice.end += finish_reason ?? '';
      }
    }
    expect(usage).toEqual(whole.usage);
    choices.forEach((choice, i) => {
      const { message, finish_reason, logprobs } = whole.choices[i]!;
      expect(choice).toMatchObject({
        role: 'assistant',
        content: message.content,
        end: finish_reason,
        tokens: logprobs!.content,
      });
      expect(choice.pieces).toBeGreaterThan(4);
    });
  });

  it('ends before a stop string and samples no further', async () => {
    const whole = (await client.chat.completions.create({ ...question, n: 4, ...seeded(3) })).choices;
    const stop = 'input';
    const cut = await client.chat.completions.create({ ...question, n: 4, ...seeded(3), stop });
    const texts = whole.map(({ message }) => message.content!);
    expect(texts.some((text) => text.includes(stop))).toBe(true);
    cut.choices.forEach(({ message, finish_reason }, i) => {
      const index = texts[i]!.indexOf(stop);
      expect(message.content).toBe(index < 0 ? texts[i] : texts[i]!.slice(0, index));
      if (index >= 0) expect(finish_reason).toBe('stop');
    });
    expect(cut.usage!.completion_tokens).toBeLessThan(
      (await client.chat.completions.create({ ...question, n: 4, ...seeded(3) })).usage!.completion_tokens,
    );
  });

  it('ends at ids of the request, and at its length', async () => {
    const own = await sampled(renderer.encodePrompt(messages), { temperature: 0, seed: 0, maxTokens: 200 });
    const id = own.tokenIds[4]!;
    const end = own.tokenIds.indexOf(id) + 1;
    const body = { ...question, temperature: 0, stop_token_ids: [id] };
    const stopped = await client.chat.completions.create(body);
    expect(stopped.usage?.completion_tokens).toBe(end);
    expect(stopped.choices[0]?.finish_reason).toBe('stop');
    const short = await client.chat.completions.create({
      ...question,
      temperature: 0,
      max_completion_tokens: 2,
    });
    expect(short.choices[0]?.finish_reason).toBe('length');
    expect(short.usage?.completion_tokens).toBe(2);
  });

  it('tells logprobs that scoring agrees with', async () => {
    const { choices } = await client.chat.completions.create({
      ...question,
      ...seeded(9),
      logprobs: true,
      top_logprobs: 5,
    });
    const prompt = renderer.encodePrompt(messages);
    const content = choices[0]!.logprobs!.content!;
    const ids = content.flatMap(({ token }) => renderer.encodeText(token));
    expect(ids).toHaveLength(content.length);
    const expected = await scored(prompt, ids);
    content.forEach(({ logprob, top_logprobs, token, bytes }, t) => {
      expect(logprob).toBeCloseTo(expected[t]!, 4);
      expect(Buffer.from(bytes!).toString('utf8')).toBe(token);
      expect(top_logprobs).toHaveLength(5);
      const ranked = top_logprobs.map((top) => top.logprob);
      expect(ranked).toEqual([...ranked].sort((a, b) => b - a));
    });
  });

  it('refuses in the shape that clients read', async () => {
    const failure = await refused(client.chat.completions.create({ ...question, frequency_penalty: 1 }));
    expect(failure).toMatchObject({ status: 400, param: 'frequency_penalty', code: 'unsupported_parameter' });
    expect(failure.requestID).toBeDefined();
    const raw = async (path: string, init: RequestInit) => {
      const reply = await fetch(`http://${room.openAiAddress!}${path}`, init);
      return { status: reply.status, body: await reply.json() };
    };
    const headers = { 'content-type': 'application/json' };
    expect(await raw('/v1/chat/completions', { method: 'POST', headers, body: '{' })).toMatchObject({
      status: 400,
      body: { error: { type: 'invalid_request_error' } },
    });
    // As curl sends what it is given, unless it is told otherwise.
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect(await raw('/v1/chat/completions', { method: 'POST', headers: form, body: '{}' })).toMatchObject({
      status: 415,
      body: { error: { message: 'The body must be JSON, sent with content-type: application/json.' } },
    });
    const large = `{"model": "${'x'.repeat(17 * 2 ** 20)}"}`;
    expect(await raw('/v1/completions', { method: 'POST', headers, body: large })).toMatchObject({
      status: 413,
      body: { error: { message: 'The body has more than 16777216 bytes, the most that is read.' } },
    });
    expect(await raw('/v2', {})).toMatchObject({ status: 404, body: { error: { code: 'unknown_url' } } });
  });
});

describe('POST /v1/completions', () => {
  const prompt = '<bos><user>prune then hop<asst>';

  it('answers every prompt n times, in their order', async () => {
    const prompts = [prompt, '<bos><user>bump<asst>'];
    const asked = { model, max_tokens: 30, n: 2, ...seeded(4) };
    const answer = await client.completions.create({ ...asked, prompt: prompts });
    const byIds = await client.completions.create({
      ...asked,
      prompt: prompts.map((text) => renderer.encodeText(text)),
    });
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(byIds.choices).toEqual(answer.choices);
    const alone = await client.completions.create({ ...asked, prompt: prompts[0]! });
    expect(alone.choices).toEqual(answer.choices.slice(0, 2));
  });

  it('scores a text as evaluation harnesses ask for it', async () => {
    const ids = renderer.encodeText(`${prompt}a = list(map(int, input().split()))\n`);
    const asked = { model, prompt: ids, echo: true, logprobs: 1, temperature: 0 };
    const { choices } = await client.completions.create({ ...asked, max_tokens: 1 });
    const { text, logprobs } = choices[0]!;
    const expected = await scored(ids.slice(0, 1), ids.slice(1));
    expect(text.startsWith(renderer.decodeWithSpecial(ids))).toBe(true);
    expect(logprobs!.token_logprobs).toHaveLength(ids.length + 1);
    expect(logprobs!.token_logprobs![0]).toBeNull();
    expect(logprobs!.token_logprobs!.slice(1, ids.length)).toEqual(expected);
    logprobs!.tokens!.forEach((token, t) => {
      const offset = logprobs!.text_offset![t]!;
      if (t < ids.length) expect(text.slice(offset, offset + token.length)).toBe(token);
    });
    // A harness calls a text greedy where each token is as likely as the likeliest.
    const best = logprobs!.top_logprobs!.slice(1).map((top) => Math.max(...Object.values(top)));
    const greedy = (await sampled(ids.slice(0, -1), { temperature: 0, seed: 0, maxTokens: 1 })).tokenIds[0];
    expect(logprobs!.token_logprobs![ids.length - 1] === best[ids.length - 2]).toBe(greedy === ids.at(-1));
    const only = await client.completions.create({ ...asked, max_tokens: 0 });
    expect(only.choices[0]).toMatchObject({ text: renderer.decodeWithSpecial(ids), finish_reason: 'length' });
    expect(only.choices[0]!.logprobs!.token_logprobs!.slice(1)).toEqual(expected);
    expect(only.usage).toMatchObject({ prompt_tokens: ids.length, completion_tokens: 0 });
  });

  it('streams what it would answer whole', async () => {
    const asked = { model, prompt, n: 2, ...seeded(1), logprobs: 2, echo: true, max_tokens: 40 };
    const whole = await client.completions.create(asked);
    const written = whole.choices.map(() => ({ text: '', offsets: [] as number[] }));
    for await (const chunk of await client.completions.create({ ...asked, stream: true }))
      for (const { index, text, logprobs } of chunk.choices) {
        written[index]!.text += text;
        written[index]!.offsets.push(...(logprobs?.text_offset ?? []));
      }
    expect(written).toEqual(
      whole.choices.map(({ text, logprobs }) => ({ text, offsets: logprobs!.text_offset })),
    );
  });
});

describe('serveOpenAi', () => {
  it('answers right while the policy trains, naming the version of every choice', async () => {
    const prompt = renderer.encodePrompt(messages);
    const completion = await sampled(prompt, { temperature: 1, seed: 1, maxTokens: 40 });
    await engine.saveCheckpoint('before');
    const before = engine.version;
    const train = () =>
      engine.trainStep(
        {
          expectedVersion: before,
          objective: { likelihood: { weight: 1 }, aggregation: 'token-mean', temperature: 1 },
          teacher: { kind: 'ema', rate: 0, cadence: 'hold' },
          optimizer: { learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
          miniBatches: 1,
          shuffleSeed: 0,
        },
        [
          {
            studentPromptIds: prompt,
            teacherPromptIds: [],
            completionIds: completion.tokenIds,
            completionLogprobs: completion.logprobs,
            advantage: 0,
            distillationWeight: 0,
            policyGradientWeight: 0,
            likelihoodWeight: 1,
            rolloutId: 'r',
          },
        ],
        never,
      );
    const asked = { ...question, n: 6, ...seeded(2), logprobs: true } as const;
    const choices = Array.from({ length: 6 }, () => ({
      ids: [] as number[],
      logprobs: [] as number[],
      version: -1,
    }));
    let training: ReturnType<typeof train> | undefined;
    // Six choices share four slots, so that training comes before the last of them begin.
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
      for (const { index, logprobs, ...rest } of chunk.choices) {
        for (const { token, logprob } of logprobs?.content ?? []) {
          training ??= train();
          choices[index]!.ids.push(...renderer.encodeText(token));
          choices[index]!.logprobs.push(logprob);
        }
        if ('policy_version' in rest) choices[index]!.version = Number(rest.policy_version);
      }
    expect((await training)?.version).toBe(before + 1);
    expect(new Set(choices.map(({ version }) => version))).toEqual(new Set([before, before + 1]));
    const after = await client.chat.completions.create(question);
    expect(after).toMatchObject({ system_fingerprint: `policy-version-${before + 1}` });
    await engine.saveCheckpoint('after');
    for (const [version, name] of [
      [before, 'before'],
      [before + 1, 'after'],
    ] as const) {
      await engine.restoreCheckpoint(name);
      for (const choice of choices.filter((each) => each.version === version)) {
        const expected = await scored(prompt, choice.ids);
        choice.logprobs.forEach((logprob, t) => {
          expect(logprob).toBeCloseTo(expected[t]!, 3);
        });
      }
    }
  });
});
