import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { type DiscoverRequest, type DiscoverResponse, RunState } from '@backsight/contract/coordinator';
import { internal } from '@backsight/rpc';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { toyEnvironment } from './toy-environment.js';
import { closeToyHouses, openToyHouse } from './toy-house.js';
import { eventually, failureOf, stateOf } from './toy-watching.js';

afterEach(closeToyHouses);

/** Nobody knows the word before version 4; from then on sample 1 does. */
const late: Script['answer'] = (prompt, { sampleIndex, version }) =>
  version >= 4 && sampleIndex === 1 ? (/Say (\w+)\./.exec(prompt)?.[1] ?? '') : `wrong${sampleIndex}`;

const openHouse = (answer: Script['answer'] = late) =>
  openToyHouse(scriptedPolicy({ answer }), toyEnvironment({ train: ['ant', 'bee', 'cat'] }));

type House = Awaited<ReturnType<typeof openHouse>>;

/** Asks for a discovery; three attempts and two mini-batches a step, unless changed. */
function discover(
  house: House,
  request: Partial<DiscoverRequest> = {},
  changes: Readonly<Record<string, unknown>> = {},
  signal = new AbortController().signal,
): AsyncIterable<DiscoverResponse> {
  const hindsight = { demonstrationSource: 'none', feedback: 'always' };
  const policy = { address: house.addresses.policy, start: 'initial' };
  const recipeYaml = house.recipe({ name: 'hard', policy, hindsight, ...changes });
  return house.client.discover({ recipeYaml, taskId: 'say-bee', maxAttempts: 12, ...request }, { signal });
}

async function all(answers: AsyncIterable<DiscoverResponse>): Promise<DiscoverResponse[]> {
  const found: DiscoverResponse[] = [];
  for await (const answer of answers) found.push(answer);
  return found;
}

describe('Discover', () => {
  it('learns from its failures alone until an attempt solves the task, and no longer', async () => {
    const house = await openHouse();
    const answers = await all(discover(house));
    const [{ runId, name } = { runId: '', name: '' }] = (await house.client.listRuns({})).runs;
    expect(name).not.toBe('');
    expect(answers).toEqual([
      { attempts: 3, solved: false, solution: '', reward: 0, runId },
      { attempts: 6, solved: false, solution: '', reward: 0, runId },
      {
        attempts: 9,
        solved: true,
        solution: 'bee',
        reward: expect.closeTo(1 / 3) as unknown as number,
        runId,
      },
    ]);
    expect(new Set(house.world.begun.map(({ taskId }) => taskId))).toEqual(new Set(['say-bee']));
    expect(house.policy.taken.map(({ version }) => version)).toEqual([2, 4]);
    for (const { examples } of house.policy.taken) {
      for (const { teacherPromptIds } of examples)
        expect(house.policy.tokenizer.decode(teacherPromptIds)).toMatch(/Say bee\.[^]*You said wrong\d/);
    }
  });

  it('gives up when its attempts are spent', async () => {
    const house = await openHouse(() => 'wrong');
    const answers = await all(discover(house, { maxAttempts: 11 }));
    expect(answers.map(({ attempts, solved }) => [attempts, solved])).toEqual([
      [3, false],
      [6, false],
      [9, false],
    ]);
  });

  it('is a run like any other, whose attempts can be looked at', async () => {
    const house = await openHouse();
    await all(discover(house));
    const [run] = (await house.client.listRuns({})).runs;
    expect(run).toMatchObject({ name: 'hard', state: RunState.SUCCEEDED, step: 3, totalSteps: 4 });
    const rollout = await house.client.getRollout({ runId: run!.runId, rolloutId: '3.0.1' });
    expect(rollout).toMatchObject({ completion: expect.stringMatching(/^bee/) as unknown as string });
  });

  it('ends at once when the first batch solves the task', async () => {
    const house = await openHouse(() => 'bee');
    expect(await all(discover(house))).toMatchObject([{ attempts: 3, solved: true, reward: 1 }]);
    expect(house.policy.taken).toEqual([]);
  });

  it('stops when its caller leaves', async () => {
    const house = await openHouse(() => 'wrong');
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 0 }, { kind: 'delay', ms: 60_000 });
    const controller = new AbortController();
    const call = (async () => {
      for await (const _ of discover(house, {}, {}, controller.signal)) controller.abort();
    })();
    expect(await failureOf(call)).toMatchObject({ code: 'CANCELLED' });
    const [run] = (await house.client.listRuns({})).runs;
    await eventually(async () => (await stateOf(house, run!.runId)) === RunState.STOPPED, 'the stop');
    expect(house.policy.taken).toHaveLength(1);
  });

  it('tells why its run failed, which can be resumed', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'refuse', error: internal('policy', 'id-1') });
    expect(await failureOf(all(discover(house)))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/^run hard-\w+: failed: .*id-1/) as unknown as string,
    });
    const [run] = (await house.client.listRuns({})).runs;
    expect(run?.state).toBe(RunState.FAILED);
    await house.client.resumeRun({ runId: run!.runId });
    await eventually(async () => (await stateOf(house, run!.runId)) === RunState.SUCCEEDED, 'the discovery');
  });

  it('goes on after a restart of the coordinator', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 0 }, { kind: 'delay', ms: 60_000 });
    const call = failureOf(all(discover(house)));
    await eventually(() => house.policy.calls('trainStep') === 2, 'the second TrainStep');
    await house.restart();
    expect(await call).toMatchObject({ code: 'UNAVAILABLE' });
    const [run] = (await house.client.listRuns({})).runs;
    await eventually(async () => (await stateOf(house, run!.runId)) === RunState.SUCCEEDED, 'the discovery');
    expect(house.policy.taken.map(({ version }) => version)).toEqual([2, 4]);
    await delay(50);
    expect(house.policy.calls('trainStep')).toBe(3);
  });

  it.each<[string, Partial<DiscoverRequest>, Readonly<Record<string, unknown>>, object]>([
    [
      'a task that is not there',
      { taskId: 'say-cow' },
      {},
      { code: 'NOT_FOUND', resource: { kind: 'task', name: 'say-cow' } },
    ],
    [
      'no task and no attempts',
      { taskId: '', maxAttempts: 0 },
      {},
      { code: 'INVALID_ARGUMENT', violations: [{ field: 'task_id' }, { field: 'max_attempts' }] },
    ],
    [
      'fewer attempts than one batch has',
      { maxAttempts: 2 },
      {},
      {
        violations: [
          { field: 'max_attempts', description: "must be at least the recipe's groupSize 3, is 2" },
        ],
      },
    ],
    ['a wrong recipe', {}, { groupSize: 0 }, { violations: [{ field: 'recipe_yaml.groupSize' }] }],
  ])('refuses %s', async (_, request, changes, failure) => {
    const house = await openHouse();
    expect(await failureOf(all(discover(house, request, changes)))).toMatchObject(failure);
    expect((await house.client.listRuns({})).runs).toEqual([]);
  });
});

describe('environment.task', () => {
  it('is one task at a time', async () => {
    const house = await openHouse();
    const environment = { address: house.addresses.environment, split: 'train', task: 'say-bee' };
    expect(await failureOf(house.create({ environment }))).toMatchObject({
      violations: [{ field: 'recipe_yaml.tasksPerStep' }],
    });
  });
});
