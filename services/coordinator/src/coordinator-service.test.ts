import { afterEach, describe, expect, it } from '@jest/globals';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { learner, toyEnvironment, type ToyOptions } from './toy-environment.js';
import { closeToyHouses, openToyHouse } from './toy-house.js';
import { failureOf, follow } from './toy-watching.js';

afterEach(closeToyHouses);

const openHouse = (script: Partial<Script> = {}, toy: Partial<ToyOptions> = {}) =>
  openToyHouse(
    scriptedPolicy({ answer: learner, ...script }),
    toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl', 'pig'], ...toy }),
  );

const WORDS = ['ant', 'bee', 'cat', 'dog'];

describe('looking at runs', () => {
  it('pages through runs, newest first', async () => {
    const house = await openHouse();
    const created: string[] = [];
    for (let index = 0; index < 3; index += 1) created.push((await house.create({ steps: 1 })).runId);
    const listed: string[] = [];
    let pageToken = '';
    do {
      const page = await house.client.listRuns({ pageSize: 2, pageToken });
      expect(page.runs.length).toBeLessThanOrEqual(2);
      listed.push(...page.runs.map(({ runId }) => runId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(new Set(listed)).toEqual(new Set(created));
    expect(await failureOf(house.client.listRuns({ pageToken: 'x' }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'page_token' }],
    });
    for (const runId of created) await follow(house, runId);
  });

  it('lists the rollouts of a step and shows one with both prompts and opinions', async () => {
    const house = await openHouse();
    const { runId } = await house.create();
    await follow(house, runId);
    const { client } = house;
    const ids: string[] = [];
    let pageToken = '';
    do {
      const page = await client.listRollouts({ runId, step: 2, pageSize: 4, pageToken });
      ids.push(...page.rollouts.map(({ rolloutId }) => rolloutId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(ids).toEqual(['2.0.0', '2.0.1', '2.0.2', '2.1.0', '2.1.1', '2.1.2']);
    const rollout = await client.getRollout({ runId, rolloutId: '2.0.2' });
    expect(rollout.summary).toMatchObject({ step: 2, reward: 0, solved: false, policyVersion: 2 });
    expect(rollout.studentPrompt).toMatch(/^<\|start\|>user\nSay \w+\.<\|end\|>\n<\|start\|>assistant\n$/);
    expect(rollout.teacherPrompt).toContain('Here is a solution that was verified as correct:');
    expect(['2.0.0', '2.0.1']).toContain(rollout.demonstrationRolloutId);
    expect(rollout.teacherFeedback).toBe('');
    expect(rollout.completion).toMatch(/^not-\w+-2<\|end\|>$/);
    expect(rollout.tokens.map(({ text }) => text).join('')).toBe(rollout.completion);
    expect(rollout.tokens[0]?.studentLogprob).toBeCloseTo(Math.log(0.5));
    expect(rollout.tokens[0]?.logRatio).toBeCloseTo(0);
    expect(rollout.outcome?.details).toMatchObject({
      said: expect.stringContaining('not-') as unknown as string,
    });
    expect(await failureOf(client.getRollout({ runId, rolloutId: '9.9.9' }))).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('shows the feedback that taught when nobody succeeded', async () => {
    const house = await openHouse({ answer: (_, { sampleIndex }) => `never${sampleIndex}` });
    const { runId } = await house.create({ steps: 1 });
    await follow(house, runId);
    const rollout = await house.client.getRollout({ runId, rolloutId: '1.0.1' });
    expect(rollout.teacherFeedback).toMatch(/^You said never1, not \w+\.$/);
    expect(rollout.teacherPrompt).toContain(rollout.teacherFeedback);
    expect(rollout.demonstrationRolloutId).toBe('');
  });
});

describe('Evaluate', () => {
  it('tells how far it is, then the result, task by task', async () => {
    const house = await openHouse();
    const updates = [];
    for await (const update of house.client.evaluate({
      policyAddress: house.addresses.policy,
      environmentAddress: house.addresses.environment,
      split: 'train',
      samplesPerTask: 2,
      temperature: 1,
      maxTokens: 32,
      seed: 3,
    })) {
      updates.push(update);
    }
    const { result } = updates.at(-1)!;
    expect(updates.slice(0, -1).every((update) => update.result === undefined && update.total === 8)).toBe(
      true,
    );
    expect(result).toMatchObject({ passRate: 0.5, reward: 0.5, policyVersion: 0, figures: { right: 0.5 } });
    expect(result?.tasks).toEqual(
      WORDS.map((word) => ({ taskId: `say-${word}`, solved: 1, samples: 2, reward: 0.5 })),
    );
    expect(house.policy.taken).toEqual([]);
  });

  it('refuses what can never be right and knows no split that is not there', async () => {
    const house = await openHouse();
    const request = {
      policyAddress: house.addresses.policy,
      environmentAddress: house.addresses.environment,
      split: 'nowhere',
      samplesPerTask: 1,
      temperature: 1,
      maxTokens: 32,
    };
    const collect = async (changes: object) => {
      for await (const _ of house.client.evaluate({ ...request, ...changes }));
    };
    expect(await failureOf(collect({}))).toMatchObject({ code: 'NOT_FOUND', resource: { name: 'nowhere' } });
    const wrong = await failureOf(collect({ policyAddress: 'x', samplesPerTask: 0, topP: 2, maxTokens: 0 }));
    expect(wrong.violations?.map(({ field }) => field)).toEqual([
      'policy_address',
      'samples_per_task',
      'top_p',
      'max_tokens',
    ]);
  });
});
