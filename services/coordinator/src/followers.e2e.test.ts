import { afterEach, describe, expect, it } from '@jest/globals';
import { type RunEvent, RunState } from '@backsight/contract/coordinator';
import { openRealHouse, type RealHouse } from '@backsight/testing';
import { ofKind } from './toy-watching.js';

const STEPS = 6;

let house: RealHouse | undefined;
afterEach(async () => {
  await house?.close();
  house = undefined;
});

describe('a run over a real policy and its followers', () => {
  it('goes on when a follower is killed, and uses it again when it is back', async () => {
    house = await openRealHouse({ PATH: process.env['PATH'] }, { followers: 2 });
    const { run } = await house.client.createRun({ recipeYaml: house.recipe({ steps: STEPS }) });
    const { runId } = run!;
    const events = [];
    for await (const { event } of house.client.watchRun({ runId })) {
      if (event === undefined) continue;
      events.push(event);
      const { kind } = event;
      if (kind?.$case === 'phaseProgress' && kind.value.phase === 'rollout' && kind.value.step === 3)
        if (kind.value.done === 1) await house.kill('follower-1');
      if (kind?.$case === 'stepFinished' && kind.value.step === 4) await house.revive('follower-1');
    }
    expect(ofKind(events, 'stateChanged').at(-1)).toEqual({ state: RunState.SUCCEEDED, failure: '' });
    const steps = ofKind(events, 'stepFinished');
    expect(steps.map(({ policyVersion, rollouts }) => [policyVersion, rollouts])).toEqual(
      Array.from({ length: STEPS }, (_, index) => [(index + 1) * 4, (index + 1) * 48]),
    );
    for (const { metrics } of steps) {
      expect(metrics).toMatchObject({ 'staleness/max': 0, 'followers/share': 1 });
      // The two engines are of one kind: what a follower samples is what the policy recomputes.
      expect(metrics['training/rollout_probs_diff_max'] ?? 0).toBeLessThan(1e-3);
    }
    expect(steps[0]?.metrics['followers/serving']).toBe(2);
    expect(steps[3]?.metrics['followers/serving']).toBe(1);
    // Each rollout is there once, whoever sampled it, with the version that its step began with.
    const found = [];
    for (let pageToken = ''; ;) {
      const page = await house.client.listRollouts({ runId, pageSize: 100, pageToken });
      found.push(...page.rollouts);
      if (page.nextPageToken === '') break;
      pageToken = page.nextPageToken;
    }
    expect(new Set(found.map(({ rolloutId }) => rolloutId)).size).toBe(STEPS * 48);
    expect(found.every(({ step, policyVersion }) => policyVersion === (step - 1) * 4)).toBe(true);
    // The policy itself sampled nothing.
    expect(house.log('coordinator')).toContain('a follower is away');
    expect(ofKind(events, 'warning').map(({ code }) => code)).not.toContain('followers-behind');
  }, 90_000);

  it('asks again for those completions alone that a follower owed when it was killed', async () => {
    house = await openRealHouse({ PATH: process.env['PATH'] }, { followers: 1 });
    let killed = await killWhileSampling(house);
    // On a crowded machine it may be caught too late, with nothing owed any more.
    for (let again = 0; killed.owed === 0 && again < 3; again += 1) {
      await house.revive('follower-1');
      killed = await killWhileSampling(house);
    }
    const { events, owed, share, rollouts } = killed;
    expect(ofKind(events, 'stateChanged').at(-1)).toEqual({ state: RunState.SUCCEEDED, failure: '' });
    expect(owed).toBeGreaterThan(0);
    expect(owed).toBeLessThan(48);
    expect(share).toBeCloseTo(1 - owed / 48, 12);
    expect(new Set(rollouts.map(({ rolloutId }) => rolloutId)).size).toBe(48);
    expect(rollouts).toHaveLength(48);
  }, 180_000);
});

/** A run of one step whose only follower is killed once the first of 48 episodes has ended. */
async function killWhileSampling(house: RealHouse) {
  const { client } = house;
  // So hot that any token is as likely as any other: some completions end at once, and most are long.
  const sampling = { maxTokens: 120, temperature: 100 };
  const { run } = await client.createRun({ recipeYaml: house.recipe({ steps: 1, sampling }) });
  const { runId } = run!;
  const events: RunEvent[] = [];
  for await (const { event } of client.watchRun({ runId })) {
    if (event === undefined) continue;
    events.push(event);
    const { kind } = event;
    if (kind?.$case === 'phaseProgress' && kind.value.phase === 'rollout' && kind.value.done === 1)
      await house.kill('follower-1');
  }
  const metrics = ofKind(events, 'stepFinished')[0]?.metrics ?? {};
  const { rollouts } = await client.listRollouts({ runId, pageSize: 200 });
  return {
    events,
    rollouts,
    owed: metrics['followers/asked_again'] ?? 0,
    share: metrics['followers/share'] ?? 0,
  };
}
