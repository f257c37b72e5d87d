import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type EnvironmentServiceClient,
  EnvironmentServiceDefinition,
  type PlayRequest,
} from '@backsight/contract/environment';
import { connect, createLogger, type Failure, isAbort, readFailure, serve, service } from '@backsight/rpc';
import {
  type Environment,
  environmentService,
  type Episode,
  FeedbackKind,
  FeedbackVisibility,
  openEpisode,
  type Outcome,
  playEpisode,
  singleTurn,
} from './index.js';

const logger = createLogger({ name: 'test', level: 'silent' });
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Guess a number in [0, 9] drawn from the seed, with at most three tries. */
function guessing(overrides: Partial<Environment> = {}): Environment & { open: number } {
  const world = {
    name: 'guessing',
    maxTurns: 3,
    capacity: 2,
    open: 0,
    splits: () => [{ name: 'train', taskCount: 5 }],
    tasks: (split: string) =>
      split === 'train'
        ? Array.from({ length: 5 }, (_, i) => ({ taskId: `guess-${i}`, title: `Guess ${i}` }))
        : undefined,
    play(taskId: string, { seed }: { seed: number }) {
      return taskId.startsWith('guess-') ? episode(seed % 10) : undefined;
    },
    ...overrides,
  };
  async function* episode(secret: number): Episode {
    world.open += 1;
    try {
      await delay(1);
      let content = 'Guess.';
      for (let turn = 0; turn < 3; turn++) {
        const { text } = yield { messages: [{ role: 'user', content }] };
        if (Number(text) === secret) return { reward: 1 };
        content = Number(text) < secret ? 'More.' : 'Less.';
      }
      return { reward: 0, feedback: [{ kind: FeedbackKind.ENVIRONMENT, text: content }] };
    } finally {
      world.open -= 1;
    }
  }
  return world;
}

async function serving(environment: Environment): Promise<EnvironmentServiceClient> {
  const server = await serve({
    name: environment.name,
    address: '127.0.0.1:0',
    logger,
    services: [service(EnvironmentServiceDefinition, environmentService(environment, { logger }))],
  });
  const connection = connect(EnvironmentServiceDefinition, server.address, { retry: false });
  closers.push(
    () => server.shutdown(200),
    () => {
      connection.close();
    },
  );
  return connection.client;
}

const failureOf = (call: Promise<unknown>): Promise<Failure | undefined> =>
  call.then(() => undefined, readFailure);

const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 200 && !condition(); i++) await delay(10);
  expect(condition()).toBe(true);
};

describe('environmentService', () => {
  it('describes the environment', async () => {
    const client = await serving(guessing());
    expect(await client.describe({})).toEqual({
      name: 'guessing',
      maxTurns: 3,
      capacity: 2,
      splits: [{ name: 'train', taskCount: 5 }],
    });
  });

  it('pages through the tasks of a split in a stable order', async () => {
    const client = await serving(guessing());
    const pages: string[][] = [];
    let pageToken = '';
    do {
      const page = await client.listTasks({ split: 'train', pageSize: 2, pageToken });
      pages.push(page.tasks.map(({ taskId }) => taskId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(pages).toEqual([['guess-0', 'guess-1'], ['guess-2', 'guess-3'], ['guess-4']]);
  });

  it('refuses a page token that is not of the split', async () => {
    const client = await serving(guessing());
    const failure = await failureOf(client.listTasks({ split: 'train', pageToken: 'bm9uc2Vuc2U' }));
    expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT', violations: [{ field: 'page_token' }] });
  });

  it('names the splits there are when asked for another', async () => {
    const client = await serving(guessing());
    const failure = await failureOf(client.listTasks({ split: 'test' }));
    expect(failure).toMatchObject({
      code: 'NOT_FOUND',
      message: 'there is no split "test"; the splits are train',
      resource: { kind: 'split', name: 'test' },
    });
  });

  it('plays an episode of several turns', async () => {
    const client = await serving(guessing());
    const heard: string[] = [];
    const outcome = await playEpisode(client, { taskId: 'guess-1', seed: 7 }, ({ messages }, turn) => {
      heard.push(messages[0]?.content ?? '');
      return { text: String([3, 9, 7][turn]), truncated: false };
    });
    expect(heard).toEqual(['Guess.', 'More.', 'Less.']);
    expect(outcome).toMatchObject({ reward: 1, solved: true, truncated: false, feedback: [] });
  });

  it('fills in what an outcome left out', async () => {
    const client = await serving(guessing());
    const outcome = await playEpisode(client, { taskId: 'guess-1', seed: 7 }, () => ({
      text: '0',
      truncated: true,
    }));
    expect(outcome).toEqual({
      reward: 0,
      solved: false,
      truncated: true,
      feedback: [{ kind: FeedbackKind.ENVIRONMENT, text: 'More.', visibility: FeedbackVisibility.TEACHER }],
      details: undefined,
    });
  });

  it('says where tasks are named when there is no such task', async () => {
    const client = await serving(guessing());
    const failure = await failureOf(openEpisode(client, { taskId: 'x', seed: 0 }).next());
    expect(failure).toMatchObject({
      code: 'NOT_FOUND',
      message: 'there is no task "x"; ListTasks names the tasks of guessing',
    });
  });

  it('refuses more episodes than its capacity, and plays again when a place is free', async () => {
    const world = guessing();
    const client = await serving(world);
    const episodes = [1, 2].map((seed) => openEpisode(client, { taskId: 'guess-0', seed }));
    for (const episode of episodes) await episode.next();
    const third = await failureOf(openEpisode(client, { taskId: 'guess-0', seed: 3 }).next());
    expect(third).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: 500 });
    episodes[0]?.close();
    await until(() => world.open === 1);
    expect((await openEpisode(client, { taskId: 'guess-0', seed: 3 }).next()).done).toBe(false);
  });

  it.each<[string, PlayRequest['payload'][], string]>([
    ['an action before open', [{ $case: 'action', value: { text: '1', truncated: false } }], 'action'],
    [
      'a second open',
      [
        { $case: 'open', value: { taskId: 'guess-0', seed: 1 } },
        { $case: 'open', value: { taskId: 'guess-0', seed: 1 } },
      ],
      'open',
    ],
    ['an empty message', [undefined], 'payload'],
  ])('refuses %s', async (_name, payloads, field) => {
    const world = guessing();
    const client = await serving(world);
    const requests = async function* () {
      for (const payload of payloads) yield { payload };
      await delay(500);
    };
    const drain = async () => {
      for await (const _ of client.play(requests()));
    };
    expect(await failureOf(drain())).toMatchObject({ code: 'INVALID_ARGUMENT', violations: [{ field }] });
    await until(() => world.open === 0);
  });

  it('frees the world when the caller drops the stream while it should act', async () => {
    const world = guessing();
    const client = await serving(world);
    const episode = openEpisode(client, { taskId: 'guess-0', seed: 1 });
    await episode.next();
    expect(world.open).toBe(1);
    episode.close();
    await until(() => world.open === 0);
    expect(await failureOf(episode.next())).toMatchObject({ code: 'CANCELLED' });
  });

  it('frees the world when the caller leaves without a word', async () => {
    const world = guessing();
    const client = await serving(world);
    const requests = async function* () {
      await delay(1);
      yield { payload: { $case: 'open' as const, value: { taskId: 'guess-0', seed: 1 } } };
    };
    const drain = async () => {
      for await (const _ of client.play(requests()));
    };
    expect(await failureOf(drain())).toMatchObject({ code: 'CANCELLED' });
    await until(() => world.open === 0);
  });

  it('aborts the signal of an episode that is judging when the caller cancels', async () => {
    let stopped = false;
    const slow = guessing({
      maxTurns: 1,
      play: (_taskId, { signal }) =>
        singleTurn({ messages: [{ role: 'user', content: 'Go.' }] }, async () => {
          await delay(20_000, undefined, { signal }).catch((error: unknown) => {
            stopped = isAbort(error);
            throw error;
          });
          return { reward: 1 };
        }),
    });
    const client = await serving(slow);
    const cancel = new AbortController();
    const episode = openEpisode(client, { taskId: 'guess-0', seed: 1 }, { signal: cancel.signal });
    await episode.next();
    const judging = failureOf(episode.next({ text: '1', truncated: false }));
    await delay(50);
    cancel.abort();
    expect(await judging).toMatchObject({ code: 'CANCELLED' });
    await until(() => stopped);
  });

  it('answers DEADLINE_EXCEEDED and frees the world when the deadline of the call passes', async () => {
    const world = guessing();
    const client = await serving(world);
    const episode = openEpisode(client, { taskId: 'guess-0', seed: 1 }, { deadlineMs: 1000 });
    await episode.next();
    await delay(1050);
    expect(await failureOf(episode.next({ text: '0', truncated: false }))).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    await until(() => world.open === 0);
  });

  it.each<[string, Outcome]>([
    ['a reward above 1', { reward: 1.5 }],
    ['a reward that is no number', { reward: Number.NaN }],
    ['blank feedback', { reward: 0, feedback: [{ kind: FeedbackKind.FORMAT, text: ' ' }] }],
  ])('calls %s a bug of the environment, never an outcome', async (_name, outcome) => {
    const broken = guessing({
      maxTurns: 1,
      play: () => singleTurn({ messages: [] }, () => outcome),
    });
    const client = await serving(broken);
    const played = playEpisode(client, { taskId: 'guess-0', seed: 1 }, () => ({
      text: '',
      truncated: false,
    }));
    expect(await failureOf(played)).toMatchObject({ code: 'INTERNAL' });
  });

  it('calls an episode that outlasts maxTurns a bug', async () => {
    const client = await serving(guessing({ maxTurns: 2 }));
    const played = playEpisode(client, { taskId: 'guess-0', seed: 7 }, () => ({
      text: '0',
      truncated: false,
    }));
    expect(await failureOf(played)).toMatchObject({ code: 'INTERNAL' });
  });
});
