import { afterEach, describe, expect, it } from '@jest/globals';
import { RunState } from '@backsight/contract/coordinator';
import { internal } from '@backsight/rpc';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { learner, toyEnvironment, type ToyOptions } from './toy-environment.js';
import { closeToyHouses, openToyHouse } from './toy-house.js';
import { eventually, failureOf, follow, ofKind, stateOf } from './toy-watching.js';

afterEach(closeToyHouses);

const openHouse = (script: Partial<Script> = {}, toy: Partial<ToyOptions> = {}) =>
  openToyHouse(
    scriptedPolicy({ answer: learner, ...script }),
    toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl', 'pig'], ...toy }),
  );

describe('pausing, resuming and stopping', () => {
  it('pauses after the step under way and goes on from there', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 200 });
    const { runId } = await house.create();
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    await house.client.pauseRun({ runId });
    await eventually(async () => (await stateOf(house, runId)) === RunState.PAUSED, 'the pause');
    expect((await house.client.getRun({ runId })).run?.step).toBe(1);
    expect(house.policy.taken).toHaveLength(1);
    await house.client.resumeRun({ runId });
    const states = ofKind(await follow(house, runId), 'stateChanged').map(({ state }) =>
      state.slice('RUN_STATE_'.length),
    );
    expect(states).toEqual(['PENDING', 'RUNNING', 'PAUSED', 'PENDING', 'RUNNING', 'SUCCEEDED']);
    expect(house.policy.taken).toHaveLength(3);
  });

  it('brings the policy back when another run has trained it in the meantime', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 200 });
    const first = await house.create();
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    await house.client.pauseRun({ runId: first.runId });
    const second = await house.create({
      steps: 1,
      policy: { address: house.addresses.policy, start: 'initial' },
    });
    await follow(house, second.runId);
    // Version 2 again, of other weights.
    expect(house.policy.version).toBe(2);
    await house.client.resumeRun({ runId: first.runId });
    const events = await follow(house, first.runId);
    expect(ofKind(events, 'warning').map(({ code }) => code)).toEqual(['policy-restored']);
    expect(house.policy.calls('restoreCheckpoint')).toBe(2);
  });

  it('tells the environment which run plays, so that it can be fair to each', async () => {
    const house = await openHouse();
    const runIds: string[] = [];
    for (let count = 0; count < 2; count++) {
      const { runId } = await house.create({ steps: 1 });
      await follow(house, runId);
      runIds.push(runId);
    }
    const callers = house.world.begun.map(({ caller }) => caller);
    expect([...new Set(callers)]).toEqual(runIds);
  });

  it('stops at once, and for good', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 60_000 });
    const { runId } = await house.create();
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    const { run } = await house.client.stopRun({ runId });
    expect(run?.state).toBe(RunState.STOPPED);
    expect(house.policy.taken).toHaveLength(0);
    expect(house.world.playing.now).toBe(0);
    for (const [call, why] of [
      [house.client.stopRun({ runId }), 'has ended already'],
      [house.client.resumeRun({ runId }), 'is stopped, neither paused nor failed'],
      [house.client.pauseRun({ runId }), 'is stopped, not under way'],
    ] as const) {
      const message = `run ${runId}: ${why}`;
      expect(await failureOf(call)).toMatchObject({ code: 'FAILED_PRECONDITION', message });
    }
  });

  it('trains a policy by one run at a time; the others wait their turn', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 200 });
    const first = await house.create({ steps: 1 });
    const second = await house.create({ steps: 1 });
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    expect(await stateOf(house, second.runId)).toBe(RunState.PENDING);
    await follow(house, first.runId);
    await follow(house, second.runId);
    expect(house.policy.taken.map(({ plan }) => plan.runId)).toEqual([first.runId, second.runId]);
  });

  it('resumes a failed run from where it failed', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'refuse', error: internal('policy', 'request-1') });
    const { runId } = await house.create();
    await follow(house, runId);
    expect(await stateOf(house, runId)).toBe(RunState.FAILED);
    await house.client.resumeRun({ runId });
    const steps = ofKind(await follow(house, runId), 'stepFinished');
    expect(steps).toHaveLength(3);
    expect(house.world.begun).toHaveLength(18);
  });
});

describe('CreateRun', () => {
  it('only checks when asked to', async () => {
    const house = await openHouse();
    const { run } = await house.client.createRun({ recipeYaml: house.recipe(), dryRun: true });
    expect(run).toMatchObject({ runId: '', totalSteps: 3, state: RunState.UNSPECIFIED });
    expect(run?.recipeYaml).toContain('maxTeacherPromptTokens: 10240');
    expect((await house.client.listRuns({})).runs).toEqual([]);
  });

  it('names every wrong key', async () => {
    const house = await openHouse();
    const failure = await failureOf(
      house.create({
        stepz: 3,
        seed: -1,
        objective: { distillation: { alpha: 2, support: { kind: 'full' } } },
      }),
    );
    expect(failure).toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: expect.arrayContaining([
        { field: 'recipe_yaml.stepz', description: 'is no key of a recipe; did you mean steps?' },
        { field: 'recipe_yaml.seed', description: 'must be a whole number at least 0, is -1' },
        {
          field: 'recipe_yaml.objective.distillation.alpha',
          description: 'must be a number at least 0 and at most 1, is 2',
        },
      ]) as unknown,
    });
  });

  it('says what the rooms lack', async () => {
    const house = await openHouse({
      card: { training: { objectives: [], teachers: [], maxSupport: 0, commits: false } },
    });
    const failure = await failureOf(
      house.create({
        sampling: { maxTokens: 8192 },
        tasksPerStep: 9,
        evaluation: { split: 'nowhere' },
        policy: { address: house.addresses.policy, start: 'nothing' },
      }),
    );
    expect(failure.code).toBe('FAILED_PRECONDITION');
    for (const part of [
      'objective.distillation: the engine of scripted cannot distil',
      'teacher.kind: the engine of scripted keeps no ema teacher',
      'sampling.maxTokens: is 8192, which leaves no room',
      'policy.start: the policy has no checkpoint nothing; it has initial',
      'tasksPerStep: is 9, more than the split train has: 4',
      'evaluation.split: the environment toy has no split nowhere; it has train, held-out',
    ]) {
      expect(failure.message).toContain(part);
    }
  });

  it('says so when a room is away', async () => {
    const house = await openHouse();
    const environment = { address: '127.0.0.1:1', split: 'train' };
    expect(await failureOf(house.create({ environment }))).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('starts one run per idempotency key', async () => {
    const house = await openHouse();
    const request = { recipeYaml: house.recipe(), idempotencyKey: 'once' };
    const [first, second] = await Promise.all([
      house.client.createRun(request),
      house.client.createRun(request),
    ]);
    expect(first.run?.runId).toBe(second.run?.runId);
    const other = { ...request, recipeYaml: house.recipe({ steps: 4 }) };
    expect(await failureOf(house.client.createRun(other))).toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    expect((await house.client.listRuns({})).runs).toHaveLength(1);
  });
});
