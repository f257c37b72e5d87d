import { describe, expect, it } from '@jest/globals';
import {
  EnvironmentServiceDefinition,
  type EnvironmentServiceImplementation,
} from '@backsight/contract/environment';
import { type Environment, environmentService, type Episode, FeedbackKind } from '@backsight/environment';
import { type CallIdentity, createLogger, resourceExhausted, service } from '@backsight/rpc';
import { withServer } from '@backsight/testing';
import { judgeEnvironment } from './environment-suite.js';

const logger = createLogger({ name: 'toy', level: 'silent' });

/** A world of twenty words to say, in two attempts. */
function words(changes: Partial<Environment> = {}): Environment {
  const tasks = Array.from({ length: 20 }, (_, index) => ({ taskId: `say-${index}`, title: `${index}` }));
  return {
    name: 'words',
    maxTurns: 2,
    capacity: 4,
    splits: () => [
      { name: 'train', taskCount: 15 },
      { name: 'held-out', taskCount: 5 },
    ],
    tasks: (split) =>
      split === 'train' ? tasks.slice(0, 15) : split === 'held-out' ? tasks.slice(15) : undefined,
    play: (taskId, { seed }) =>
      tasks.some((task) => task.taskId === taskId) ? episode(taskId.slice(4), seed) : undefined,
    ...changes,
  };
}

async function* episode(word: string, seed: number): Episode {
  const first = yield await Promise.resolve({
    messages: [{ role: 'user', content: `Say ${word} (${seed}).` }],
  });
  if (first.text === word) return { reward: 1 };
  const second = yield { messages: [{ role: 'user', content: 'Again.' }] };
  if (second.text === word) return { reward: 1 };
  return {
    reward: 0,
    feedback: [{ kind: FeedbackKind.ENVIRONMENT, text: `You said ${second.text || 'nothing'}.` }],
  };
}

async function failuresOf(
  world: Environment,
  change: (
    honest: EnvironmentServiceImplementation<CallIdentity>,
  ) => Partial<EnvironmentServiceImplementation<CallIdentity>> = () => ({}),
) {
  const honest = environmentService(world, { logger, retryAfterMs: 5 });
  const served = service(EnvironmentServiceDefinition, { ...honest, ...change(honest) });
  return withServer([served], async (address) => {
    const report = await judgeEnvironment(address);
    expect(report.results).toHaveLength(8);
    return Object.fromEntries(
      report.results.filter(({ fate }) => fate !== 'passed').map(({ name, reason }) => [name, reason]),
    );
  });
}

describe('judgeEnvironment', () => {
  it('passes a world on the kit', async () => {
    expect(await failuresOf(words())).toEqual({});
  });

  it.each<[what: string, world: Environment, failing: Record<string, string>]>([
    [
      'a split with fewer tasks than it says',
      words({ splits: () => [{ name: 'train', taskCount: 16 }] }),
      { 'tasks.pages': 'split train lists 15 tasks, Describe says 16' },
    ],
    [
      'a world that forgets its seed',
      words({
        play: (taskId) =>
          taskId.startsWith('say-') ? episode('it', Math.floor(Math.random() * 1e9)) : undefined,
      }),
      { 'play.seed': 'is told differently the second time' },
    ],
    [
      'more turns than it says',
      words({ maxTurns: 1 }),
      {
        'play.episode': 'Play answers INTERNAL',
        'play.seed': 'Play answers INTERNAL',
        'play.truncated': 'Play answers INTERNAL',
      },
    ],
    [
      'a task told by nobody',
      words({
        async *play() {
          yield* await Promise.resolve([]);
          return { reward: 0 };
        },
      }),
      {
        'play.episode': 'ends before it is posed',
        'play.truncated': 'ends before it is posed',
        'play.refusals': 'a task that is not there must be refused with NOT_FOUND, is accepted',
      },
    ],
  ])('fails %s', async (_what, world, failing) => {
    const found = await failuresOf(world);
    expect(Object.keys(found).sort()).toEqual(Object.keys(failing).sort());
    for (const [name, words] of Object.entries(failing)) expect(found[name]).toContain(words);
  });

  it('fails rewards out of range, page tokens made up and worlds that are never left', async () => {
    let held = 0;
    const found = await failuresOf(words(), (honest) => ({
      listTasks: (request, context) => honest.listTasks({ ...request, pageToken: '' }, context),
      async *play(requests, context) {
        if (held > 4) throw resourceExhausted('full', 5);
        held += 1;
        for await (const { payload } of honest.play(requests, context)) {
          if (payload?.$case === 'outcome') held -= 1;
          yield payload?.$case === 'outcome'
            ? { payload: { $case: 'outcome' as const, value: { ...payload.value, reward: 1.5 } } }
            : { payload };
        }
      },
    }));
    expect(found).toMatchObject({
      'play.episode': expect.stringContaining('a reward of 1.5, outside [0, 1]'),
      'play.abandoned': expect.stringContaining('episodes that were left, the next is refused'),
      'tasks.pages': expect.stringContaining('lists'),
      'tasks.refusals':
        'a page token that was never given must be refused with INVALID_ARGUMENT, is accepted',
    });
  });
});
