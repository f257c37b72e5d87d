import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readModelTexts } from '@backsight/engine';
import { createLogger } from '@backsight/rpc';
import OpenAI from 'openai';
import { startPolicy, type StartedPolicy } from '../policy.js';
import { newScript, scriptedEngine, untilAborted } from '../scripted-engine.js';

const modelFolder = join(import.meta.dirname, '../../../../models/tiny/weights');
const config = {
  address: '127.0.0.1:0',
  openAiAddress: '127.0.0.1:0',
  metricsAddress: undefined,
  maxConnectionAgeMs: undefined,
  follow: undefined,
  maxExamples: 100,
  maxPendingCompletions: 4,
};
const asked = { model: 'scripted', prompt: [1], n: 3 };

let script = newScript();
let room: StartedPolicy;
let client: OpenAI;
beforeEach(async () => {
  script = newScript();
  const logger = createLogger({ name: 'policy', level: 'silent' });
  room = await startPolicy(
    config,
    scriptedEngine(() => script),
    await readModelTexts(modelFolder),
    logger,
  );
  client = new OpenAI({
    baseURL: `http://${room.openAiAddress!}/v1`,
    apiKey: 'none',
    maxRetries: 0,
    timeout: 20_000,
  });
});
afterEach(() => room.shutdown(100));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const refused = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof OpenAI.APIError)) throw new Error('It was not refused.', { cause: error });
  return error;
};

describe('serveOpenAi', () => {
  it.each([false, true])('frees the slots of a client that goes away (streaming: %s)', async (stream) => {
    script.pause = untilAborted(script);
    const gone = new AbortController();
    const held = client.completions.create({ ...asked, stream }, { signal: gone.signal }).then(
      async (answer) => {
        if (Symbol.asyncIterator in answer) for await (const _ of answer);
      },
      () => undefined,
    );
    await until(() => script.waiting === 1);
    const failure = await refused(client.completions.create(asked));
    expect(failure).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'slots_exhausted' });
    expect(failure.message).toContain('3 of at most 4 completions are in progress');
    expect((failure.headers as Headers).get('retry-after')).toBe('1');
    gone.abort();
    await until(() => script.aborted === 1);
    await held;
    script.pause = () => Promise.resolve();
    const patient = new OpenAI({ baseURL: client.baseURL, apiKey: 'none', maxRetries: 3 });
    expect((await patient.completions.create(asked)).choices).toHaveLength(3);
  });

  it('waits for requests in flight when it is shut down, then ends them', async () => {
    script.pause = untilAborted(script);
    const whole = refused(client.completions.create({ ...asked, n: 1 }));
    const streaming = (async () => {
      for await (const _ of await client.completions.create({ ...asked, n: 1, stream: true }));
    })();
    const broken = refused(streaming);
    await until(() => script.waiting === 2);
    const begin = performance.now();
    await room.shutdown(150);
    expect(performance.now() - begin).toBeGreaterThan(140);
    expect(await whole).toMatchObject({ status: 503, code: 'shutting_down' });
    expect((await broken).error).toMatchObject({ code: 'shutting_down' });
    expect(script.closed).toBe(true);
  });

  it('says in one sentence that the address is taken', async () => {
    const second = startPolicy(
      { ...config, openAiAddress: room.openAiAddress },
      scriptedEngine(() => script),
      await readModelTexts(modelFolder),
      createLogger({ name: 'policy', level: 'silent' }),
    );
    await expect(second).rejects.toThrow(`the address ${room.openAiAddress!} is in use by another process`);
  });

  it('tells nothing of a bug but a request id', async () => {
    script.failure = new TypeError('secret inner detail');
    const scoring = { model: 'scripted', prompt: [1, 2], echo: true, logprobs: 1, max_tokens: 1 };
    const failure = await refused(client.completions.create(scoring));
    expect(failure).toMatchObject({ status: 500, type: 'server_error', code: 'internal_error' });
    expect(failure.message).toContain(failure.requestID);
    expect(JSON.stringify(failure.error)).not.toContain('secret');
    const streaming = (async () => {
      for await (const _ of await client.completions.create({ ...scoring, stream: true }));
    })();
    expect((await refused(streaming)).error).toMatchObject({ code: 'internal_error' });
  });
});
