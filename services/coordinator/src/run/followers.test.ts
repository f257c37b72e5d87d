import { afterEach, describe, expect, it } from '@jest/globals';
import { away, scriptedPolicy } from '@backsight/testing';
import { learner, toyEnvironment } from '../toy-environment.js';
import { serveToyFollower, type ToyFollower } from '../toy-followers.js';
import { closeToyHouses, openToyHouse } from '../toy-house.js';
import { failureOf, follow, ofKind } from '../toy-watching.js';

type Follower = ToyFollower<ReturnType<typeof scriptedPolicy>>;
const served: Follower[] = [];
afterEach(async () => {
  await closeToyHouses();
  await Promise.all(served.splice(0).map((follower) => follower.kill()));
});

async function openHouse(followers = 2) {
  const trainer = scriptedPolicy({ answer: learner });
  const house = await openToyHouse(
    trainer,
    toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl'] }),
  );
  for (let index = 0; index < followers; index += 1)
    served.push(await serveToyFollower(trainer, scriptedPolicy({ answer: learner })));
  const policy = { address: house.addresses.policy, followers: served.map(({ address }) => address) };
  return {
    ...house,
    trainer,
    policy,
    create: (changes: object = {}) => house.create({ policy, ...changes }),
  };
}

describe('a run with followers', () => {
  it('trains what followers sampled with the weights of each step', async () => {
    const house = await openHouse();
    const { runId } = await house.create({ evaluation: { split: 'held-out', everySteps: 3 } });
    const events = await follow(house, runId);
    expect(house.trainer.generated).toEqual([]);
    expect(house.trainer.taken.map(({ version }) => version)).toEqual([2, 4, 6]);
    for (const { plan, examples } of house.trainer.taken)
      expect(new Set(examples.map(({ policyVersion }) => policyVersion))).toEqual(
        new Set([plan.expectedVersion]),
      );
    for (const { metrics } of ofKind(events, 'stepFinished')) {
      expect(metrics).toMatchObject({
        'staleness/mean': 0,
        'staleness/max': 0,
        'followers/share': 1,
        'followers/asked_again': 0,
      });
      expect(metrics['followers/sync_s/max']).toBeLessThan(2);
    }
    expect(ofKind(events, 'evaluated')).toHaveLength(2);
    expect(ofKind(events, 'warning')).toEqual([]);
  });

  it('bounds how old the weights are that sample', async () => {
    const house = await openHouse();
    const { runId } = await house.create({ steps: 6, maxStaleness: 1 });
    const steps = ofKind(await follow(house, runId), 'stepFinished');
    expect(house.trainer.taken).toHaveLength(6);
    for (const { plan, examples } of house.trainer.taken)
      for (const { policyVersion } of examples)
        expect(policyVersion).toBeGreaterThanOrEqual(Math.max(0, plan.expectedVersion - 2));
    for (const { metrics } of steps) expect(metrics['staleness/max']).toBeLessThanOrEqual(1);
  });

  it('loses no more than the episodes of a follower that dies', async () => {
    const house = await openHouse();
    const [first] = served;
    first!.policy.faults.add('generate', { kind: 'break', error: away(), afterMessages: 1 });
    const { runId } = await house.create({ steps: 4, groupSize: 6 });
    const steps = ofKind(await follow(house, runId), 'stepFinished');
    expect(steps.map(({ rollouts }) => rollouts)).toEqual([12, 24, 36, 48]);
    expect(
      steps.reduce((sum, { metrics }) => sum + (metrics['followers/asked_again'] ?? 0), 0),
    ).toBeGreaterThan(0);
    expect(house.trainer.generated).toEqual([]);
    for (const { examples } of house.trainer.taken) expect(examples).toHaveLength(12);
  });

  it('goes on without any follower', async () => {
    const house = await openHouse();
    const [first, second] = served;
    await first!.kill();
    second!.policy.faults.add('generate', { kind: 'break', error: away(), afterMessages: 1 });
    await second!.kill();
    const { runId } = await house.create();
    const steps = ofKind(await follow(house, runId), 'stepFinished');
    expect(steps.map(({ metrics }) => metrics['followers/share'])).toEqual([0, 0, 0]);
    expect(house.trainer.taken).toHaveLength(3);
  });

  it('refuses what is no follower, by its address', async () => {
    const house = await openHouse(1);
    const ofHouse = house.addresses.policy;
    const wrong = await failureOf(house.create({ policy: { address: ofHouse, followers: [ofHouse] } }));
    expect(wrong).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: `recipe: policy.followers: the policy at ${ofHouse} follows nobody; start it with --follow`,
    });
    const other = scriptedPolicy({ answer: learner, card: { vocabularySize: 7 } });
    served.push(await serveToyFollower(house.trainer, other));
    const { address } = served.at(-1)!;
    const model = await failureOf(house.create({ policy: { address: ofHouse, followers: [address] } }));
    expect(model.message).toContain(`the follower at ${address} has another model (script, vocabulary of 7,`);
    const nowhere = await failureOf(house.create({ policy: { address: ofHouse, followers: ['nowhere'] } }));
    expect(nowhere.violations).toEqual([
      {
        field: 'recipe_yaml.policy.followers.0',
        description: 'must be a list of addresses host:port, is "nowhere"',
      },
    ]);
  });
});
