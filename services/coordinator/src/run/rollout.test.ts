import { afterEach, describe, expect, it } from '@jest/globals';
import { RunState } from '@backsight/contract/coordinator';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { toyEnvironment, type ToyOptions } from '../toy-environment.js';
import { closeToyHouses, openToyHouse } from '../toy-house.js';
import { follow, ofKind } from '../toy-watching.js';

afterEach(closeToyHouses);

/** Sample 0 is always right. */
const mixed: Script['answer'] = (prompt, { sampleIndex }) =>
  sampleIndex === 0 ? (/Say (\w+)\./.exec(prompt)?.[1] ?? '') : `wrong${sampleIndex}`;

const openHouse = (script: Partial<Script>, toy: ToyOptions) =>
  openToyHouse(scriptedPolicy({ answer: mixed, ...script }), toyEnvironment(toy));

describe('playGroups', () => {
  it('asks for a whole step in one call, and for every completion once', async () => {
    const house = await openHouse({}, { train: ['ant', 'bee'] });
    await follow(house, (await house.create({ steps: 1, groupSize: 4 })).runId);
    expect(house.policy.generated.map(({ prompts, groupSize }) => [prompts.length, groupSize])).toEqual([
      [2, 4],
    ]);
    expect(house.world.begun).toHaveLength(8);
    expect(house.world.playing.most).toBe(8);
  });

  it('splits a group that has more episodes than the environment has places', async () => {
    const house = await openHouse({}, { train: ['ant'], capacity: 3 });
    const { runId } = await house.create({ steps: 1, tasksPerStep: 1, groupSize: 8 });
    const [step] = ofKind(await follow(house, runId), 'stepFinished');
    expect(house.world.playing.most).toBe(3);
    expect(house.policy.generated.map(({ groupSize }) => groupSize)).toEqual([3, 3, 2]);
    // Each call has its own seed, or it would sample the same again.
    expect(new Set(house.policy.generated.map(({ sampling }) => sampling?.seed)).size).toBe(3);
    expect(step?.rollouts).toBe(8);
  });

  it('marks an answer that ran out of tokens as cut short', async () => {
    const house = await openHouse({}, { train: ['ant'] });
    const { runId } = await house.create({ steps: 1, tasksPerStep: 1, sampling: { maxTokens: 4 } });
    await follow(house, runId);
    const cut = await house.client.getRollout({ runId, rolloutId: '1.0.1' });
    expect(cut.completion).toBe('wron');
    expect(cut.outcome?.truncated).toBe(true);
    const whole = await house.client.getRollout({ runId, rolloutId: '1.0.0' });
    expect(whole.outcome?.truncated).toBe(false);
  });

  it('lets a policy whose conversation has filled the context say nothing, and trains on the rest', async () => {
    const toy = { train: ['ant', 'bee'], maxTurns: 2, remark: (text: string) => `No. ${text.repeat(9)}` };
    const house = await openHouse({ card: { contextWindow: 64 } }, toy);
    const { runId } = await house.create({ steps: 1, sampling: { maxTokens: 16 } });
    const [step] = ofKind(await follow(house, runId), 'stepFinished');
    expect(step?.rollouts).toBe(6);
    const { examples } = house.policy.taken[0]!;
    expect(examples).toHaveLength(6);
    expect(examples.every(({ studentPromptIds }) => studentPromptIds.length < 64)).toBe(true);
    const { outcome, summary } = await house.client.getRollout({ runId, rolloutId: '1.0.1' });
    expect(summary).toMatchObject({ reward: 0, completionTokens: 'wrong1'.length + 1 });
    expect(outcome?.truncated).toBe(true);
  });

  it('refuses a task that the policy has no room to read, by its name', async () => {
    const long = 'a'.repeat(60);
    const house = await openHouse({ card: { contextWindow: 64 } }, { train: [long, 'bee'] });
    const { runId } = await house.create({ steps: 1, sampling: { maxTokens: 16 } });
    expect(ofKind(await follow(house, runId), 'stateChanged').at(-1)).toEqual({
      state: RunState.FAILED,
      failure: expect.stringMatching(
        /^task say-a+: its prompt has \d+ tokens, the context window of scripted holds 64; take it out/,
      ) as unknown as string,
    });
    expect(house.policy.taken).toEqual([]);
  });

  it('takes no training step when there is nothing to learn from', async () => {
    const house = await openHouse({ answer: () => 'wrong' }, { train: ['ant', 'bee'] });
    const changes = { hindsight: { feedback: 'never' }, examples: { untaught: 'dropped' } };
    const { runId } = await house.create({ steps: 2, ...changes });
    const events = await follow(house, runId);
    expect(ofKind(events, 'stepFinished').map(({ policyVersion }) => policyVersion)).toEqual([0, 0]);
    expect(ofKind(events, 'warning').map(({ code }) => code)).toEqual(
      expect.arrayContaining(['no-examples', 'no-examples']),
    );
    expect(house.policy.taken).toEqual([]);
  });

  it('never asks for more mini-batches than there are examples', async () => {
    const house = await openHouse({}, { train: ['ant', 'bee'] });
    await follow(house, (await house.create({ steps: 1, miniBatches: 32 })).runId);
    expect(house.policy.taken.map(({ plan }) => plan.miniBatches)).toEqual([6]);
  });
});

describe('the policy gradient alone', () => {
  it('sends advantages and no teacher', async () => {
    const house = await openHouse({}, { train: ['ant', 'bee'] });
    const objective = { policyGradient: { clipLow: 0.2, clipHigh: 0.28 } };
    await follow(
      house,
      (await house.create({ steps: 1, objective, optimizer: { learningRate: 0.1, warmupSteps: 4 } })).runId,
    );
    const { plan, examples } = house.policy.taken[0]!;
    expect(plan.teacher).toBeUndefined();
    expect(plan.objective).toMatchObject({
      distillation: undefined,
      policyGradient: { weight: 1, clipHigh: 0.28 },
    });
    expect(plan.optimizer?.learningRate).toBeCloseTo(0.1 / 4);
    expect(examples.every(({ teacherPromptIds }) => teacherPromptIds.length === 0)).toBe(true);
    expect(examples.slice(0, 3).map(({ advantage }) => advantage)).toEqual(
      [2 / 3, -1 / 3, -1 / 3].map((x) => expect.closeTo(x)),
    );
  });
});

describe('the likelihood term', () => {
  it('learns from successes alone', async () => {
    const house = await openHouse({}, { train: ['ant', 'bee'] });
    await follow(house, (await house.create({ steps: 1, objective: { likelihood: {} } })).runId);
    expect(house.policy.taken[0]!.examples.map(({ likelihoodWeight }) => likelihoodWeight)).toEqual([
      1, 0, 0, 1, 0, 0,
    ]);
  });
});
