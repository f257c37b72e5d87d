import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type DeepPartial,
  FinishReason,
  type PolicyServiceClient,
  PolicyServiceDefinition,
  type TrainStepRequest,
} from '@backsight/contract/policy';
import { connect, service } from '@backsight/rpc';
import { away, type ScriptedPolicy, scriptedPolicy, startLoopback } from './index.js';
import './matchers.js';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serving(policy: ScriptedPolicy): Promise<PolicyServiceClient> {
  const server = await startLoopback([service(PolicyServiceDefinition, policy.implementation)]);
  const connection = connect(PolicyServiceDefinition, server.address, { retry: false });
  closers.push(
    () => server.shutdown(100),
    () => {
      connection.close();
    },
  );
  return connection.client;
}

const echo = () => scriptedPolicy({ answer: (prompt, { sampleIndex }) => `${prompt}-${sampleIndex}` });

async function* transaction(expectedVersion: number): AsyncIterable<DeepPartial<TrainStepRequest>> {
  yield { payload: { $case: 'plan', value: { expectedVersion, miniBatches: 2 } } };
  yield await Promise.resolve({
    payload: { $case: 'example' as const, value: { completionIds: [1, 2], rolloutId: 'a' } },
  });
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of stream) all.push(each);
  return all;
}

describe('scriptedPolicy', () => {
  it('answers every sample of every prompt from its script', async () => {
    const policy = echo();
    const client = await serving(policy);
    const prompts = ['one', 'two'].map((text) => ({ tokenIds: policy.tokenizer.encode(text) }));
    const answers = await collect(client.generate({ prompts, groupSize: 2, sampling: { maxTokens: 100 } }));
    const texts = answers.map(({ completion }) =>
      policy.tokenizer.decode(completion?.tokenIds.slice(0, -1) ?? []),
    );
    expect(texts.sort()).toEqual(['one-0', 'one-1', 'two-0', 'two-1']);
    expect(answers.every(({ completion }) => completion?.finishReason === FinishReason.STOP)).toBe(true);
  });

  it('cuts an answer at max_tokens and says so', async () => {
    const policy = echo();
    const client = await serving(policy);
    const prompts = [{ tokenIds: policy.tokenizer.encode('long') }];
    const [only] = await collect(client.generate({ prompts, groupSize: 1, sampling: { maxTokens: 3 } }));
    expect(only?.completion).toMatchObject({ finishReason: FinishReason.LENGTH });
    expect(policy.tokenizer.decode(only?.completion?.tokenIds ?? [])).toBe('lon');
  });

  it('takes a transaction once: its version grows by the mini-batches', async () => {
    const policy = echo();
    const client = await serving(policy);
    expect(await client.trainStep(transaction(0))).toMatchObject({ version: 2 });
    expect(policy.taken).toMatchObject([{ version: 2, examples: [{ rolloutId: 'a' }] }]);
    await expect(client.trainStep(transaction(0))).toFailWith({
      code: 'ABORTED',
      reason: 'POLICY_VERSION_MISMATCH',
      metadata: { current_version: '2', expected_version: '0' },
    });
    expect(policy.taken).toHaveLength(1);
  });

  it('takes the step whose reply it loses', async () => {
    const policy = echo();
    const client = await serving(policy);
    policy.faults.add('trainStep', { kind: 'lose-reply' });
    await expect(client.trainStep(transaction(0))).toFailWith({ code: 'UNAVAILABLE' });
    expect(policy.version).toBe(2);
  });

  it('leaves no trace of a transaction that breaks, or that its caller cancels', async () => {
    const policy = echo();
    const client = await serving(policy);
    policy.faults.add('trainStep', { kind: 'break', error: away() });
    await expect(client.trainStep(transaction(0))).toFailWith({ code: 'UNAVAILABLE', retryAfterMs: 10 });
    policy.faults.add('trainStep', { kind: 'delay', ms: 5000 });
    const signal = AbortSignal.timeout(50);
    await expect(client.trainStep(transaction(0), { signal })).toFailWith({ code: 'CANCELLED' });
    expect([policy.version, policy.taken.length]).toEqual([0, 0]);
  });

  it('breaks a stream after as many messages as told', async () => {
    const policy = echo();
    const client = await serving(policy);
    policy.faults.add('generate', { kind: 'break', error: away(), afterMessages: 2 });
    let received = 0;
    const read = async () => {
      for await (const _ of client.generate({ prompts: [{ tokenIds: [65] }], groupSize: 4 })) received += 1;
    };
    await expect(read()).toFailWith({ code: 'UNAVAILABLE' });
    expect(received).toBe(2);
  });

  it('restores the version of a checkpoint', async () => {
    const policy = echo();
    const client = await serving(policy);
    await client.saveCheckpoint({ name: 'start' });
    await client.trainStep(transaction(0));
    await client.restoreCheckpoint({ name: 'start' });
    expect(policy.version).toBe(0);
    await expect(client.restoreCheckpoint({ name: 'x' })).toFailWith({ code: 'NOT_FOUND' });
  });
});
