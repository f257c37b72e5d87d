import net from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readModelTexts, type Engine } from '@backsight/engine';
import { createLogger } from '@backsight/rpc';
import OpenAI from 'openai';
import { startPolicy, type StartedPolicy } from '../policy.js';
import { newScript, scriptedCard, scriptedEngine, untilAborted } from '../scripted-engine.js';

const modelFolder = join(import.meta.dirname, '../../../../models/tiny/weights');
const config = {
  address: '127.0.0.1:0',
  openAiAddress: '127.0.0.1:0',
  metricsAddress: '127.0.0.1:0',
  maxConnectionAgeMs: undefined,
  follow: undefined,
  maxExamples: 100,
  maxPendingCompletions: 4,
};
const asked = { model: 'scripted', prompt: [1], n: 3 };

const errors: unknown[] = [];
const quiet = Object.assign(createLogger({ name: 'policy', level: 'silent' }), {
  error: (fields: unknown) => errors.push(fields),
});
let script = newScript();
let room: StartedPolicy;
let client: OpenAI;
beforeEach(async () => {
  errors.length = 0;
  script = newScript();
  room = await startPolicy(
    config,
    scriptedEngine(() => script),
    await readModelTexts(modelFolder),
    quiet,
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
    const metrics = async () => (await fetch(`http://${room.metricsAddress!}/metrics`)).text();
    const counted = 'policy_http_requests_total{route="/v1/completions",status="499",room="policy"} 1';
    while (!(await metrics()).includes(counted)) await new Promise((resolve) => setTimeout(resolve, 5));
    script.pause = () => Promise.resolve();
    const patient = new OpenAI({ baseURL: client.baseURL, apiKey: 'none', maxRetries: 3 });
    expect((await patient.completions.create(asked)).choices).toHaveLength(3);
  });

  it('takes a client that goes away before the first token for no failure', async () => {
    const slow: Engine = {
      ...scriptedEngine(() => script),
      async *generate(_request, signal) {
        // An engine hears of it at its next token.
        await untilAborted(script)(signal).finally(() => new Promise((resolve) => setTimeout(resolve, 20)));
        yield* [];
      },
    };
    const other = await startPolicy(config, slow, await readModelTexts(modelFolder), quiet);
    const body = JSON.stringify({ ...asked, stream: true });
    const gone = new AbortController();
    const headers = { 'content-type': 'application/json' };
    const url = `http://${other.openAiAddress!}/v1/completions`;
    const held = fetch(url, { method: 'POST', headers, body, signal: gone.signal });
    await until(() => script.waiting === 1);
    gone.abort();
    await expect(held).rejects.toThrow(/abort/);
    await until(() => script.aborted === 1);
    await other.shutdown(100);
    expect(errors).toEqual([]);
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

  it('gives up a client that does not read', async () => {
    let written = 0;
    const model = 'm'.repeat(2 ** 20);
    const wordy: Engine = {
      ...scriptedEngine(() => script),
      // Every chunk names the model: a megabyte a token, for as long as somebody is there.
      card: { ...scriptedCard, model },
      async *generate({ onToken }, signal) {
        for (;;) {
          onToken?.({ promptIndex: 0, sampleIndex: 0, tokenId: 5, logprob: -1, top: [], policyVersion: 5 });
          written += 1;
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (signal.aborted) script.aborted += 1;
          signal.throwIfAborted();
          yield* [];
        }
      },
    };
    const other = await startPolicy(config, wordy, await readModelTexts(modelFolder), quiet);
    const socket = net.connect(Number(other.openAiAddress!.split(':')[1]), '127.0.0.1');
    const body = JSON.stringify({ model, prompt: [1], stream: true, logprobs: 0 });
    const head = 'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    await until(() => script.aborted === 1);
    expect(written).toBeGreaterThan(30);
    socket.destroy();
    await other.shutdown(100);
  });

  it('counts requests by route and status', async () => {
    const other = await startPolicy(
      config,
      scriptedEngine(() => script),
      await readModelTexts(modelFolder),
      quiet,
    );
    const asking = new OpenAI({
      baseURL: `http://${other.openAiAddress!}/v1`,
      apiKey: 'none',
      maxRetries: 0,
    });
    await asking.completions.create(asked);
    await refused(asking.completions.create({ ...asked, model: 'x' }));
    const metrics = async () => (await fetch(`http://${other.metricsAddress!}/metrics`)).text();
    const counted = (status: number) =>
      `policy_http_requests_total{route="/v1/completions",status="${status}",room="policy"} 1`;
    let text = '';
    while (![200, 404].every((status) => text.includes(counted(status)))) text = await metrics();
    expect(text).toContain('policy_completions_total{finish_reason="stop",room="policy"} 2');
    await other.shutdown(100);
  });

  it('says in one sentence that the address is taken', async () => {
    const second = startPolicy(
      { ...config, openAiAddress: room.openAiAddress },
      scriptedEngine(() => script),
      await readModelTexts(modelFolder),
      quiet,
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
