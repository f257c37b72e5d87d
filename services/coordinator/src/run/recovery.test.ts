import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { RunState } from '@backsight/contract/coordinator';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { learner, toyEnvironment, type ToyOptions } from '../toy-environment.js';
import { closeToyHouses, openToyHouse } from '../toy-house.js';
import { eventually, follow, ofKind, stateOf } from '../toy-watching.js';
import { decide, type Findings } from './recovery.js';

afterEach(closeToyHouses);

const openHouse = (script: Partial<Script> = {}, toy: Partial<ToyOptions> = {}) =>
  openToyHouse(
    scriptedPolicy({ answer: learner, ...script }),
    toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl', 'pig'], ...toy }),
  );

describe('decide', () => {
  const announced = { startVersion: 4, expectedVersion: 6 };
  const midway: Findings = { recorded: 4, step: 2, announced, found: 4, holds: true };

  it.each<[string, Partial<Findings>, ReturnType<typeof decide>]>([
    ['a run that never had its policy', { recorded: undefined, step: 0, announced: undefined }, 'start'],
    ['a policy that is where the last step left it', { announced: undefined }, 'continue'],
    ['a policy that has not taken the announced step', {}, 'continue'],
    ['a policy that has taken it', { found: 6 }, 'continue'],
    ['a policy in the middle of nowhere', { found: 5 }, 'restore'],
    ['a policy that was restarted', { found: 0 }, 'restore'],
    ['a policy at the same version that another run has trained', { holds: false }, 'restore'],
    ['a policy that was restarted before the first step', { recorded: 4, step: 0, found: 0 }, 'start'],
  ])('decides about %s', (_, findings, decision) => {
    expect(decide({ ...midway, ...findings })).toBe(decision);
  });
});

describe('a coordinator that starts again', () => {
  it('trains from the journal when it died before TrainStep was taken', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 60_000 });
    const { runId } = await house.create();
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    await house.restart();
    const steps = ofKind(await follow(house, runId), 'stepFinished');
    expect(steps.map(({ step, policyVersion }) => [step, policyVersion])).toEqual([
      [1, 2],
      [2, 4],
      [3, 6],
    ]);
    expect(house.policy.taken).toHaveLength(3);
    // No rollout was played twice.
    expect(house.world.begun).toHaveLength(18);
  });

  it('commits when it died after TrainStep was taken', async () => {
    const house = await openHouse();
    // By the time the policy samples, the run has its hold on it: the next describe is the one after the lost reply.
    house.policy.faults.add('generate', { kind: 'delay', ms: 300 });
    const { runId } = await house.create();
    await eventually(() => house.policy.calls('generate') >= 1, 'taking hold');
    house.policy.faults.add('trainStep', { kind: 'lose-reply' });
    house.policy.faults.add('describe', { kind: 'delay', ms: 60_000 });
    await eventually(() => house.policy.faults.pending('describe') === 0, 'asking for the version');
    const before = house.policy.taken.length;
    await house.restart();
    const events = await follow(house, runId);
    expect(before).toBeGreaterThan(0);
    expect(house.policy.taken.map(({ version }) => version)).toEqual([2, 4, 6]);
    expect(ofKind(events, 'stepFinished').map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(ofKind(events, 'warning').map(({ code }) => code)).toEqual(['train-report-lost']);
  });

  it('keeps the groups that were played when it died during rollouts', async () => {
    let held = true;
    const house = await openHouse(
      {},
      {
        beforeAnswer: async ({ taskId, signal }) => {
          if (held && taskId === 'say-cat') await delay(60_000, undefined, { signal });
        },
      },
    );
    const { runId } = await house.create({ tasksPerStep: 4 });
    await eventually(
      async () => (await house.client.listRollouts({ runId })).rollouts.length === 9,
      'nine rollouts',
    );
    const played = house.world.begun.length;
    held = false;
    await house.restart();
    const steps = ofKind(await follow(house, runId), 'stepFinished');
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(played).toBe(12);
    // Of the first step only the group that was not finished was played again.
    expect(house.world.begun).toHaveLength(12 + 3 + 24);
    expect(house.policy.taken).toHaveLength(3);
  });

  it('brings a restarted policy back from its checkpoint', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 0 }, { kind: 'delay', ms: 60_000 });
    const { runId } = await house.create({ checkpoint: { everySteps: 1 } });
    await eventually(() => house.policy.calls('trainStep') === 2, 'the second TrainStep');
    await house.shutDown();
    house.policy.version = 0;
    await house.restart();
    const events = await follow(house, runId);
    expect(ofKind(events, 'warning').map(({ code }) => code)).toEqual(['policy-restored']);
    expect(house.policy.taken.map(({ version }) => version)).toEqual([2, 4, 6]);
    expect(ofKind(events, 'stateChanged').at(-1)?.state).toBe(RunState.SUCCEEDED);
  });

  it('trains a lost policy again from the journal, since the last checkpoint or the beginning', async () => {
    for (const checkpoint of [{ everySteps: 2 }, { everySteps: 0 }]) {
      const house = await openHouse();
      const delays = [0, 0, 0, 60_000].map((ms) => ({ kind: 'delay' as const, ms }));
      house.policy.faults.add('trainStep', ...delays);
      const { runId } = await house.create({ steps: 4, checkpoint });
      await eventually(() => house.policy.calls('trainStep') === 4, 'the fourth TrainStep');
      await house.shutDown();
      house.policy.version = 0;
      const begun = house.world.begun.length;
      await house.restart();
      const events = await follow(house, runId);
      expect(ofKind(events, 'stepFinished').map(({ step }) => step)).toEqual([1, 2, 3, 4]);
      const first = checkpoint.everySteps === 2 ? 3 : 1;
      const versions = house.policy.taken.map(({ version }) => version);
      expect(versions).toEqual([2, 4, 6, ...[2, 4, 6].slice(first - 1), 8]);
      // On the very same examples; nothing is sampled or played again.
      const [again, before] = [house.policy.taken[3], house.policy.taken[first - 1]];
      expect(again?.examples).toEqual(before?.examples);
      expect(again?.plan).toEqual(before?.plan);
      expect(house.world.begun).toHaveLength(begun);
      expect(ofKind(events, 'warning')).toEqual([
        {
          code: 'policy-restored',
          message: expect.stringMatching(
            new RegExp(
              `brought back to step 3 .*, and trained again on the rollouts since step ${first - 1}\\.$`,
            ),
          ) as unknown as string,
        },
      ]);
    }
  });

  it('is not put off by a policy that is lost again while it trains from the journal', async () => {
    const house = await openHouse();
    const delays = [0, 0, 60_000].map((ms) => ({ kind: 'delay' as const, ms }));
    house.policy.faults.add('trainStep', ...delays);
    const policy = { address: house.addresses.policy, start: 'initial' };
    const { runId } = await house.create({ policy, checkpoint: { everySteps: 0 } });
    await eventually(() => house.policy.calls('trainStep') === 3, 'the third TrainStep');
    await house.shutDown();
    house.policy.version = 0;
    // The first is trained again; then the policy is restarted, and the second finds other weights.
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 0 }, { kind: 'delay', ms: 200 });
    await house.restart();
    await eventually(() => house.policy.calls('trainStep') === 5, 'the second, again');
    house.policy.version = 0;
    const events = await follow(house, runId);
    expect(ofKind(events, 'stateChanged').at(-1)?.state).toBe(RunState.SUCCEEDED);
    expect(house.policy.taken.map(({ version }) => version)).toEqual([2, 4, 2, 2, 4, 6]);
  });

  it('fails a run whose beginning nobody knows any more, and says so', async () => {
    const house = await openHouse();
    house.policy.version = 5;
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 0 }, { kind: 'delay', ms: 60_000 });
    const { runId } = await house.create({ checkpoint: { everySteps: 0 } });
    await eventually(() => house.policy.calls('trainStep') === 2, 'the second TrainStep');
    await house.shutDown();
    house.policy.version = 33;
    await house.restart();
    const events = await follow(house, runId);
    expect(ofKind(events, 'stateChanged').at(-1)).toEqual({
      state: RunState.FAILED,
      failure: expect.stringMatching(
        /is at version 33; the run left it at version 7 after step 1, or at 9 had step 2 been taken\. No checkpoint of this run is left/,
      ) as unknown as string,
    });
    expect(house.policy.taken).toHaveLength(1);
  });

  it('throws away what a policy that was restarted in the middle of a step has written', async () => {
    let restarted = false;
    const house = await openHouse({
      answer: (prompt, context) => {
        if (context.version === 2 && !restarted) {
          restarted = true;
          house.policy.version = 0;
        }
        return learner(prompt, context);
      },
    });
    const { runId } = await house.create({ checkpoint: { everySteps: 1 } });
    const events = await follow(house, runId);
    expect(ofKind(events, 'warning').map(({ code }) => code)).toEqual(['policy-restored']);
    expect(
      house.policy.taken.map(({ examples }) => new Set(examples.map((each) => each.policyVersion))),
    ).toEqual([new Set([0]), new Set([2]), new Set([4])]);
  });

  it('does not evaluate again what is evaluated', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 60_000 });
    const { runId } = await house.create({ steps: 1, evaluation: { split: 'held-out', samplesPerTask: 2 } });
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    await house.restart();
    const events = await follow(house, runId);
    expect(ofKind(events, 'evaluated').map(({ step }) => step)).toEqual([0, 1]);
    expect(house.world.begun.filter(({ taskId }) => taskId === 'say-owl')).toHaveLength(4);
    expect(ofKind(events, 'stateChanged').at(-1)?.state).toBe(RunState.SUCCEEDED);
  });

  it('leaves a run paused that was asked to pause', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 60_000 });
    const { runId } = await house.create();
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    await house.client.pauseRun({ runId });
    await house.restart();
    expect(await stateOf(house, runId)).toBe(RunState.PAUSED);
    await house.client.resumeRun({ runId });
    expect(ofKind(await follow(house, runId), 'stepFinished')).toHaveLength(3);
    expect(house.policy.taken).toHaveLength(3);
  });
});
