import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Completion,
  FinishReason,
  type PolicyServiceClient,
  PolicyServiceDefinition,
  type PolicyServiceImplementation,
  type ScoreResponse,
  type TrainStepRequest,
} from '@backsight/contract/policy';
import { type CallIdentity, connect, service, unimplemented } from '@backsight/rpc';
import { openly, passingOn, type RoomProcess, startRoomProcess, withServer } from '@backsight/testing';
import { judgePolicy } from './policy-suite.js';

const root = join(import.meta.dirname, '../../../..');
let folder = '';
let room: RoomProcess;
let real: { readonly client: PolicyServiceClient; readonly close: () => void };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'conformance-'));
  room = await startRoomProcess(join(root, 'services/policy/dist/main.js'), {
    env: {
      BACKSIGHT_MODEL: join(root, 'models/tiny/weights'),
      BACKSIGHT_CHECKPOINTS: join(folder, 'checkpoints'),
      BACKSIGHT_POLICY_ADDRESS: '127.0.0.1:0',
      BACKSIGHT_POLICY_LOG_LEVEL: 'fatal',
      BACKSIGHT_THREADS: '1',
    },
  });
  const { client, close } = connect(PolicyServiceDefinition, room.address, { retry: false });
  real = { client: openly(client), close };
}, 60_000);
afterAll(async () => {
  real.close();
  await room.stop();
  await rm(folder, { recursive: true, force: true });
});

type Tamper = (
  honest: PolicyServiceImplementation<CallIdentity>,
  client: PolicyServiceClient,
) => Partial<PolicyServiceImplementation<CallIdentity>>;

/** The checks that a policy with one thing wrong fails, with their reasons. */
async function failures(tamper: Tamper, only: string): Promise<Record<string, string>> {
  const honest = passingOn(real.client);
  const served = service(PolicyServiceDefinition, { ...honest, ...tamper(honest, real.client) });
  return withServer([served], async (address) => {
    const { results } = await judgePolicy(address, { only });
    expect(results.length).toBeGreaterThan(0);
    return Object.fromEntries(
      results.filter(({ fate }) => fate === 'failed').map(({ name, reason }) => [name, reason]),
    );
  });
}

/** The completions of the real policy, each changed. */
const changing =
  (change: (completion: Completion) => Completion): Tamper =>
  (_, client) => ({
    async *generate(request, { signal }) {
      for await (const { completion } of client.generate(request, { signal }))
        yield { completion: completion && change(completion) };
    },
  });

/** The scores of the real policy, each changed. */
const scoring =
  (change: (answer: ScoreResponse) => ScoreResponse): Tamper =>
  (_, client) => ({ score: async (request, { signal }) => change(await client.score(request, { signal })) });

async function* withPlan(
  requests: AsyncIterable<TrainStepRequest>,
  change: (plan: Extract<NonNullable<TrainStepRequest['payload']>, { $case: 'plan' }>['value']) => object,
): AsyncGenerator<TrainStepRequest, void, void> {
  for await (const { payload } of requests)
    yield payload?.$case === 'plan'
      ? { payload: { $case: 'plan', value: { ...payload.value, ...change(payload.value) } } }
      : { payload };
}

/** The messages of a caller of before there was a commit. */
async function* withoutCommit(
  requests: AsyncIterable<TrainStepRequest>,
): AsyncGenerator<TrainStepRequest, void, void> {
  for await (const request of withPlan(requests, () => ({ commits: false })))
    if (request.payload?.$case !== 'commit') yield request;
}

describe('judgePolicy', () => {
  it('passes the embedded policy, and leaves it as it was', async () => {
    // What is restored has a name of its own.
    const card = async () => ({ ...(await real.client.describe({})), weightsId: '' });
    const before = await card();
    const report = await judgePolicy(room.address);
    expect(report.results.filter(({ fate }) => fate !== 'passed')).toEqual([]);
    expect(report).toMatchObject({
      room: 'policy',
      subject: 'weights on onnxruntime',
      failed: 0,
      notOffered: 0,
    });
    expect(report.passed).toBeGreaterThan(40);
    expect(await card()).toEqual(before);
  }, 120_000);

  it('reports what is not offered as such', async () => {
    const honest = passingOn(real.client);
    const samplesOnly: PolicyServiceImplementation<CallIdentity> = {
      ...honest,
      describe: async (request, { signal }) => ({
        ...(await real.client.describe(request, { signal })),
        training: { objectives: [], teachers: [], maxSupport: 0, commits: false },
      }),
      exportCheckpoint: () => Promise.reject(unimplemented('EXPORT', 'nothing is exported here')),
    };
    await withServer([service(PolicyServiceDefinition, samplesOnly)], async (address) => {
      const { results, failed } = await judgePolicy(address);
      expect(failed).toBe(0);
      const missing = results.filter(({ fate }) => fate === 'not-offered');
      expect(missing.find(({ name }) => name === 'train.version')?.reason).toBe(
        'Describe names no objective: it only samples',
      );
      expect(missing.find(({ name }) => name === 'checkpoint.export')?.reason).toBe(
        'nothing is exported here',
      );
    });
  }, 60_000);

  it.each<[what: string, tamper: Tamper, only: string, failing: Record<string, string>]>([
    [
      'a card without a version of its own',
      (_, client) => ({
        describe: async (request) => ({
          ...(await client.describe(request)),
          version: Math.floor(Math.random() * 1e9),
        }),
      }),
      'describe.card',
      { 'describe.card': 'Describe answers differently when asked twice' },
    ],
    [
      'logprobs that are a little off',
      changing((completion) => ({
        ...completion,
        logprobs: completion.logprobs.map((logprob) => logprob - 0.01),
      })),
      'generate.logprobs',
      { 'generate.logprobs': 'was drawn with logprobs up to 1.0e-2 from' },
    ],
    [
      'a wrong version stamp',
      changing((completion) => ({ ...completion, policyVersion: completion.policyVersion + 1 })),
      'generate.groups',
      { 'generate.groups': 'is stamped with version' },
    ],
    [
      'a finish reason that is always stop',
      changing((completion) => ({ ...completion, finishReason: FinishReason.STOP })),
      'generate.groups',
      { 'generate.groups': 'its finish reason is' },
    ],
    [
      'one sample for a whole group',
      changing((completion) => ({ ...completion, sampleIndex: 0 })),
      'generate.groups',
      { 'generate.groups': 'twice' },
    ],
    [
      'a seed that does not count',
      (_, client) => ({
        generate: (request, { signal }) =>
          client.generate(
            { ...request, sampling: request.sampling && { ...request.sampling, seed: 1 } },
            { signal },
          ),
      }),
      'generate.seed',
      { 'generate.seed': 'two seeds give the same completions' },
    ],
    [
      'a temperature and a top-p that do not count',
      (_, client) => ({
        generate: (request, { signal }) =>
          client.generate(
            { ...request, sampling: request.sampling && { ...request.sampling, temperature: 1, topP: 1 } },
            { signal },
          ),
      }),
      'generate.',
      {
        'generate.greedy': 'at temperature 0',
        'generate.top-p': 'with top_p 0.6',
        'generate.frequencies': 'of 512 draws',
        'generate.logprobs': 'at temperature',
        'generate.refusals': 'sampling.temperature of -1 must be refused with INVALID_ARGUMENT, is accepted',
      },
    ],
    [
      'stop ids that do not count',
      (_, client) => ({
        generate: (request, { signal }) =>
          client.generate(
            { ...request, sampling: request.sampling && { ...request.sampling, stopIds: [] } },
            { signal },
          ),
      }),
      'generate.stop',
      { 'generate.stop-ids': 'must become' },
    ],
    [
      'scores of another temperature',
      (_, client) => ({
        score: (request, { signal }) => client.score({ ...request, temperature: 1 }, { signal }),
      }),
      'score.temperature',
      { 'score.temperature': 'from those of the divided logits' },
    ],
    [
      'entropies in bits',
      scoring(({ scores, policyVersion }) => ({
        policyVersion,
        scores: scores.map((each) => ({ ...each, entropies: each.entropies.map((nats) => nats / Math.LN2) })),
      })),
      'score.distribution',
      { 'score.distribution': 'that of the distribution' },
    ],
    [
      'scores that are one too few',
      scoring(({ scores, policyVersion }) => ({ policyVersion, scores: scores.slice(1) })),
      'score.company',
      { 'score.company': 'Score answers 6 items with 5 scores' },
    ],
    [
      'steps taken from any version',
      (_, client) => ({
        async trainStep(requests, { signal }) {
          const { version } = await client.describe({});
          return client.trainStep(
            withPlan(requests, () => ({ expectedVersion: version })),
            { signal },
          );
        },
      }),
      'train.compare',
      { 'train.compare-and-set': 'must be refused with ABORTED, is accepted' },
    ],
    [
      'a stream that is taken though it was cancelled',
      (_, client) => ({
        async trainStep(requests) {
          const read: TrainStepRequest[] = [];
          try {
            for await (const request of withoutCommit(requests)) read.push(request);
          } catch {
            // Whoever hung up is not listened to.
          }
          return client.trainStep(
            (async function* () {
              yield* await Promise.resolve(read);
            })(),
          );
        },
      }),
      'train.cancel',
      { 'train.cancel': 'a cancelled stream' },
    ],
    [
      'a commit that is not waited for',
      (_, client) => ({
        trainStep: (requests, { signal }) => client.trainStep(withoutCommit(requests), { signal }),
      }),
      'train.commit',
      {
        'train.commit':
          'a stream that ends before its commit must be refused with INVALID_ARGUMENT, is accepted',
      },
    ],
    [
      'weights that move the other way',
      (_, client) => ({
        async trainStep(requests, { signal }) {
          const negative: TrainStepRequest[] = [];
          for await (const { payload } of requests)
            negative.push(
              payload?.$case === 'example'
                ? {
                    payload: {
                      $case: 'example',
                      value: { ...payload.value, advantage: -payload.value.advantage },
                    },
                  }
                : { payload },
            );
          return client.trainStep(
            (async function* () {
              yield* await Promise.resolve(negative);
            })(),
            { signal },
          );
        },
      }),
      'train.downhill',
      { 'train.downhill': 'it must rise' },
    ],
    [
      'a loss that is a tenth of a percent off',
      (_, client) => ({
        async trainStep(requests, { signal }) {
          const report = await client.trainStep(requests, { signal });
          return { ...report, steps: report.steps.map((step) => ({ ...step, loss: step.loss * 1.001 })) };
        },
      }),
      'objective.likelihood',
      { 'objective.likelihood': 'loss is', 'objective.likelihood-sums': 'loss is' },
    ],
    [
      'another divergence than the one asked for',
      (_, client) => ({
        trainStep: (requests, { signal }) =>
          client.trainStep(
            withPlan(requests, ({ objective }) => ({
              objective: objective && {
                ...objective,
                distillation: objective.distillation && { ...objective.distillation, alpha: 0.4 },
              },
            })),
            { signal },
          ),
      }),
      'objective.jensen',
      { 'objective.jensen-shannon': 'the specification has' },
    ],
    [
      'a teacher that never moves',
      (_, client) => ({
        trainStep: (requests, { signal }) =>
          client.trainStep(
            withPlan(requests, ({ teacher }) => ({ teacher: teacher && { ...teacher, rate: 0 } })),
            { signal },
          ),
      }),
      'teacher.ema',
      { 'teacher.ema': 'at rate 1 the teacher is not the student' },
    ],
    [
      'checkpoints that restore the beginning',
      (_, client) => ({
        async restoreCheckpoint({ name }, { signal }) {
          const { checkpoints } = await client.listCheckpoints({});
          await client.restoreCheckpoint({ name: 'initial' }, { signal });
          return { checkpoint: checkpoints.find((each) => each.name === name) };
        },
      }),
      'checkpoint.restore',
      { 'checkpoint.restore': 'otherwise after it is restored' },
    ],
    [
      'a delta that leaves a piece out',
      (_, client) => ({
        async *pullWeights(request, { signal }) {
          let left = false;
          for await (const message of client.pullWeights(request, { signal })) {
            if (request.baseVersion !== undefined && message.chunk !== undefined && !left) left = true;
            else yield message;
          }
        },
      }),
      'pull.delta',
      { 'pull.delta': 'checksum is not the SHA-256 of the data that was sent' },
    ],
    [
      'pieces with a wrong CRC-32',
      (_, client) => ({
        async *pullWeights(request, { signal }) {
          for await (const message of client.pullWeights(request, { signal }))
            yield message.chunk === undefined
              ? message
              : { ...message, chunk: { ...message.chunk, crc32: message.chunk.crc32 ^ 1 } };
        },
      }),
      'pull.bfloat16',
      { 'pull.bfloat16': 'does not have its CRC-32' },
    ],
  ])(
    'fails %s, by the checks that this concerns',
    async (_what, tamper, only, failing) => {
      const found = await failures(tamper, only);
      expect(Object.keys(found).sort()).toEqual(Object.keys(failing).sort());
      for (const [name, words] of Object.entries(failing)) expect(found[name]).toContain(words);
    },
    60_000,
  );
});
