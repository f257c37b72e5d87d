import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { loadModelFolder, loadPeftFolder, randomWeights, writeModelFolder } from '@backsight/engine';
import { connect, type Connection } from '@backsight/rpc';
import OpenAI from 'openai';
import { caughtFailure, caughtViolations } from './caught-failure.js';
import { tinyConfig as config } from './tiny-model.js';

const main = join(import.meta.dirname, '../dist/main.js');

let folder = '';
let running: ChildProcess[] = [];
beforeEach(async () => {
  if (!existsSync(main)) throw new Error(`${main} is not built: run npm run build first.`);
  folder = await mkdtemp(join(tmpdir(), 'policy-'));
  const files = { 'tokenizer.json': '{"version":"1.0"}', 'chat_template.jinja': '{{ messages }}' };
  await writeModelFolder(join(folder, 'model'), { config, weights: randomWeights(config, 5, 0.3), files });
});
afterEach(async () => {
  for (const child of running)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  running = [];
  await rm(folder, { recursive: true, force: true });
});

function launch(
  settings: Record<string, string> = {},
  args: readonly string[] = [],
): ChildProcess & { readonly said: () => string } {
  const env = {
    ...process.env,
    BACKSIGHT_MODEL: join(folder, 'model'),
    BACKSIGHT_CHECKPOINTS: join(folder, 'checkpoints'),
    BACKSIGHT_POLICY_ADDRESS: '127.0.0.1:0',
    BACKSIGHT_POLICY_LOG_LEVEL: 'warn',
    BACKSIGHT_THREADS: '2',
    ...settings,
  };
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return Object.assign(child, { said: () => said });
}

type Policy = Connection<typeof proto.PolicyServiceDefinition> & {
  readonly stop: (signal?: NodeJS.Signals) => Promise<unknown>;
};

async function start(settings: Record<string, string> = {}, args: readonly string[] = []): Promise<Policy> {
  const child = launch(settings, args);
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => {
      resolve(line.toString().trim().replace('policy listening on ', ''));
    });
    child.once('exit', () => {
      reject(new Error(child.said()));
    });
  });
  const connection = connect(proto.PolicyServiceDefinition, address, { retry: false });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    connection.close();
    const exited = once(child, 'exit');
    child.kill(signal);
    return (await exited)[0] as unknown;
  };
  return { ...connection, stop };
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const prompts = [{ tokenIds: [1, 5, 6] }, { tokenIds: [1, 7] }];

/** All completions, in the order of prompts and samples. */
async function generate({ client }: Policy): Promise<proto.Completion[]> {
  const sampling = { temperature: 1, maxTokens: 12, seed: 42 };
  const completions: proto.Completion[] = [];
  for await (const { completion } of client.generate({ prompts, groupSize: 4, sampling }))
    if (completion !== undefined) completions.push(completion);
  return completions.sort((a, b) => a.promptIndex - b.promptIndex || a.sampleIndex - b.sampleIndex);
}

const score = ({ client }: Policy, completions: readonly proto.Completion[], weights?: proto.WeightSet) =>
  client.score({
    items: completions.map(({ promptIndex, tokenIds }) => ({
      promptIds: [...prompts[promptIndex]!.tokenIds],
      completionIds: [...tokenIds],
    })),
    ...(weights === undefined ? {} : { weights }),
  });

async function train({ client }: Policy, completions: readonly proto.Completion[], expectedVersion: number) {
  async function* messages(): Parameters<typeof client.trainStep>[0] {
    const support = { kind: proto.SupportKind.TOP_K_TAIL, k: 8 };
    const plan = {
      expectedVersion,
      objective: { distillation: { weight: 1, alpha: 0.5, support, importanceCap: 2 } },
      teacher: { kind: proto.TeacherKind.EMA, rate: 0.05 },
      optimizer: { learningRate: 0.01, maxGradientNorm: 1 },
      miniBatches: 2,
      shuffleSeed: 3,
    };
    yield { payload: { $case: 'plan', value: plan } };
    for (const { promptIndex, tokenIds, logprobs } of completions) {
      await Promise.resolve();
      const studentPromptIds = [...prompts[promptIndex]!.tokenIds];
      const value = {
        studentPromptIds,
        teacherPromptIds: [1, 9, 10, ...studentPromptIds],
        completionIds: [...tokenIds],
        completionLogprobs: [...logprobs],
      };
      yield { payload: { $case: 'example', value } };
    }
  }
  return client.trainStep(messages());
}

describe('the policy as a process', () => {
  it('samples, scores and trains; after save, restart and restore it goes on to the same bits', async () => {
    const policy = await start();
    const description = await policy.client.describe({});
    expect(description).toMatchObject({
      vocabularySize: 24,
      contextWindow: 48,
      chatTemplate: '{{ messages }}',
      version: 0,
    });

    const completions = await generate(policy);
    expect(completions).toHaveLength(8);
    expect(await generate(policy)).toEqual(completions);
    const { scores } = await score(policy, completions);
    const differences = completions.flatMap(({ logprobs }, i) =>
      logprobs.map((logprob, t) => Math.abs(logprob - scores[i]!.logprobs[t]!)),
    );
    expect(Math.max(...differences)).toBeLessThan(1e-4);

    expect((await train(policy, completions, 0)).version).toBe(2);
    expect((await policy.client.saveCheckpoint({ name: 'after-one' })).checkpoint?.version).toBe(2);
    const reference = await train(policy, completions, 2);
    expect(reference.steps.every(({ skipped, gradientNorm }) => !skipped && gradientNorm > 0)).toBe(true);
    const trained = await generate(policy);
    expect(trained).not.toEqual(completions.map((completion) => ({ ...completion, policyVersion: 4 })));
    const scored = await score(policy, completions, proto.WeightSet.TEACHER);
    const { path } = await policy.client.exportCheckpoint({ name: 'final' });
    expect(await policy.stop()).toBe(0);

    const again = await start();
    expect((await again.client.describe({})).version).toBe(0);
    const names = (await again.client.listCheckpoints({})).checkpoints.map(({ name }) => name);
    expect(names).toEqual(['after-one', 'initial']);
    await again.client.restoreCheckpoint({ name: 'after-one' });
    const repeated = await train(again, completions, 2);
    expect({ ...repeated, durations: [] }).toEqual({ ...reference, durations: [] });
    expect(await generate(again)).toEqual(trained);
    expect(await score(again, completions, proto.WeightSet.TEACHER)).toEqual(scored);
    const second = (await again.client.exportCheckpoint({ name: 'second' })).path;
    const [one, other] = [await loadModelFolder(path), await loadModelFolder(second)];
    expect(one.weights.equals(other.weights)).toBe(true);

    await again.client.restoreCheckpoint({ name: 'initial' });
    expect(await generate(again)).toEqual(completions);
    expect(await again.stop()).toBe(0);
  });

  it('answers while it computes', async () => {
    // Few tokens to send and much to compute, in one run of the graph, which blocks the thread that it runs in.
    const large = { ...config, hiddenSize: 256, intermediateSize: 512, layers: 4, contextWindow: 2048 };
    await writeModelFolder(join(folder, 'large'), {
      config: large,
      weights: randomWeights(large, 5, 0.3),
      files: { 'tokenizer.json': '{"version":"1.0"}', 'chat_template.jinja': '{{ messages }}' },
    });
    const { client, stop } = await start({
      BACKSIGHT_MODEL: join(folder, 'large'),
      BACKSIGHT_MICRO_BATCH_TOKENS: '100000',
    });
    const item = { promptIds: [1, 5, 6], completionIds: Array.from({ length: 1000 }, (_, i) => i % 24) };
    const call = { open: true };
    const scored = client.score({ items: Array.from({ length: 4 }, () => item) }).finally(() => {
      call.open = false;
    });
    let answers = 0;
    for (; call.open; answers++) await client.describe({});
    expect((await scored).scores).toHaveLength(4);
    expect(answers).toBeGreaterThan(50);
    await stop();
  });

  it('trains an adapter, exports it, and goes on with what it exported', async () => {
    const policy = await start({ BACKSIGHT_ADAPTER_RANK: '2', BACKSIGHT_ADAPTER_TARGETS: 'q_proj,v_proj' });
    const completions = await generate(policy);
    expect((await train(policy, completions, 0)).version).toBe(2);
    const { path } = await policy.client.exportCheckpoint({ name: 'a', layout: proto.ExportLayout.PEFT });
    const { settings } = await loadPeftFolder(path, config);
    expect(settings).toEqual({ rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] });
    const trained = await generate(policy);
    expect(await policy.stop()).toBe(0);

    const again = await start({ BACKSIGHT_ADAPTER: path });
    const texts = (all: readonly proto.Completion[]) => all.map(({ tokenIds }) => tokenIds);
    expect(texts(await generate(again))).toEqual(texts(trained));
    expect(await again.stop()).toBe(0);

    const confused = launch({ BACKSIGHT_ADAPTER: path, BACKSIGHT_ADAPTER_RANK: '2' });
    const [code] = (await once(confused, 'exit')) as [number];
    expect([code, confused.said()]).toEqual([1, expect.stringContaining('BACKSIGHT_ADAPTER has a rank')]);
  });

  it('answers an OpenAI client, at an address of its own', async () => {
    const port = await freePort();
    const policy = await start({
      BACKSIGHT_MODEL: join(import.meta.dirname, '../../../models/tiny/weights'),
      BACKSIGHT_POLICY_OPENAI_ADDRESS: `127.0.0.1:${port}`,
    });
    const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'none' });
    const messages = [{ role: 'user' as const, content: 'prune then hop' }];
    const asked = { model: 'weights', messages, temperature: 0 };
    const { choices } = await client.chat.completions.create(asked);
    expect(choices[0]).toMatchObject({ finish_reason: 'stop', policy_version: 0 });
    let streamed = '';
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
      streamed += chunk.choices[0]?.delta.content ?? '';
    expect(streamed).toBe(choices[0]?.message.content);
    expect(streamed).toContain('print(');
    expect(await policy.stop()).toBe(0);
  });

  it('follows a trainer with --follow, through its death and its return', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const trainer = await start({ BACKSIGHT_POLICY_ADDRESS: address });
    const settings = { BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS: '20', BACKSIGHT_POLICY_LOG_LEVEL: 'silent' };
    const follower = await start(settings, ['--follow', address]);
    const completions = await generate(trainer);
    await train(trainer, completions, 0);
    const reaches = async (version: number) => {
      while ((await follower.client.describe({})).version !== version)
        await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await reaches(2);
    expect(await generate(follower)).toEqual(await generate(trainer));
    expect(await score(follower, completions)).toEqual(await score(trainer, completions));
    expect(await caughtFailure(() => train(follower, completions, 2))).toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    const trained = await generate(follower);
    await trainer.client.saveCheckpoint({ name: 'two' });
    await trainer.stop('SIGKILL');
    expect(await generate(follower)).toEqual(trained);
    const again = await start({ BACKSIGHT_POLICY_ADDRESS: address });
    await reaches(0);
    await again.client.restoreCheckpoint({ name: 'two' });
    await reaches(2);
    expect(await generate(follower)).toEqual(trained);
    expect(await follower.stop()).toBe(0);
    expect(await again.stop()).toBe(0);
  });

  it('refuses what can never be right or is no longer so, and changes nothing', async () => {
    const policy = await start();
    const completions = await generate(policy);
    const long = {
      ...completions[0]!,
      tokenIds: Array<number>(46).fill(3),
      logprobs: Array<number>(46).fill(-1),
    };
    expect((await caughtViolations(() => train(policy, [completions[1]!, long], 0)))[0]).toMatch(
      /^examples\[1\]\.student_prompt_ids: a prompt of 3 and a completion of 46 tokens make 49; the context window holds 48/,
    );
    expect(await caughtFailure(() => train(policy, completions, 7))).toMatchObject({
      code: 'ABORTED',
      metadata: { current_version: '0' },
    });
    const missing = caughtFailure(() => policy.client.restoreCheckpoint({ name: 'none' }));
    expect(await missing).toMatchObject({ code: 'NOT_FOUND' });
    expect(await generate(policy)).toEqual(completions);
    expect(await policy.stop()).toBe(0);
  });

  it('runs on CUDA, or says in one sentence what is missing for it', async () => {
    const started = await start({ BACKSIGHT_EXECUTION_PROVIDER: 'cuda' }).catch((error: unknown) => error);
    if (started instanceof Error)
      expect(started.message).toMatch(/^policy: Execution provider cuda: .*, or use cpu\.\n$/);
    else expect((await (started as Policy).client.describe({})).engine?.device).toBe('cuda');
  });

  it.each<[string, () => Promise<Record<string, string>>, RegExp]>([
    [
      'a model that is not there',
      () => Promise.resolve({ BACKSIGHT_MODEL: '/nowhere' }),
      /^policy: \/nowhere.*: does not exist\n$/,
    ],
    [
      'weights cut short',
      async () => {
        await truncate(join(folder, 'model', 'model.safetensors'), 4000);
        return {};
      },
      /^policy: .*model\.safetensors: tensor "model\..*": its data ends at byte \d+, but the file has 4000 bytes; it was cut short\n$/,
    ],
    [
      'settings that are wrong',
      () => Promise.resolve({ BACKSIGHT_THREADS: 'all' }),
      /^policy: BACKSIGHT_THREADS must be a whole number in \[1, 256\], not "all"\n$/,
    ],
  ])('says one sentence and exits with code 1 for %s', async (_, prepare, sentence) => {
    const child = launch(await prepare());
    const [code] = (await once(child, 'close')) as [number];
    expect(child.said()).toMatch(sentence);
    expect(code).toBe(1);
  });
});
