import { afterEach, describe, expect, it } from '@jest/globals';
import { RunState } from '@backsight/contract/coordinator';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { toyEnvironment } from './toy-environment.js';
import { closeToyHouses, openToyHouse } from './toy-house.js';
import { failureOf, follow, ofKind } from './toy-watching.js';

afterEach(closeToyHouses);

const learner: Script['answer'] = (prompt, { sampleIndex, version }) =>
  version >= 2 * sampleIndex ? (/Say (\w+)\./.exec(prompt)?.[1] ?? '') : `wrong${sampleIndex}`;

/** A run of four steps that has ended, each with its checkpoint unless the recipe says otherwise. */
async function finishedRun(changes: Readonly<Record<string, unknown>> = {}, start = 'initial') {
  const world = toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl'] });
  const house = await openToyHouse(scriptedPolicy({ answer: learner }), world);
  const policy = { address: house.addresses.policy, start };
  const { runId } = await house.create({ steps: 4, policy, checkpoint: { everySteps: 1 }, ...changes });
  await follow(house, runId);
  return { house, client: house.client, runId };
}

describe('ForkRun', () => {
  it('goes on from a step as the run itself did, when nothing is changed', async () => {
    const { house, client, runId } = await finishedRun();
    const { run } = await client.forkRun({ runId, step: 2 });
    expect(run).toMatchObject({ step: 2, totalSteps: 4, policyVersion: 4 });
    const steps = ofKind(await follow(house, run!.runId), 'stepFinished');
    expect(steps.map(({ step, policyVersion }) => [step, policyVersion])).toEqual([
      [3, 6],
      [4, 8],
    ]);
    const [, , third, fourth, ...forked] = house.policy.taken;
    expect(forked.map(({ examples }) => examples)).toEqual([third?.examples, fourth?.examples]);
    expect(forked.map(({ plan }) => plan.shuffleSeed)).toEqual([
      third?.plan.shuffleSeed,
      fourth?.plan.shuffleSeed,
    ]);
  });

  it('changes what the overrides say, and takes away what they set to null', async () => {
    const { house, client, runId } = await finishedRun({
      evaluation: { split: 'held-out', everySteps: 1, samplesPerTask: 1 },
    });
    const recipeOverridesYaml = 'name: other\nsteps: 3\noptimizer: { learningRate: 0.5 }\nevaluation: null\n';
    const { run } = await client.forkRun({ runId, step: 1, recipeOverridesYaml });
    expect(run).toMatchObject({ name: 'other', totalSteps: 3 });
    const events = await follow(house, run!.runId);
    expect(ofKind(events, 'evaluated')).toEqual([]);
    expect(house.policy.taken.slice(4).map(({ plan }) => plan.optimizer?.learningRate)).toEqual([0.5, 0.5]);
    expect(ofKind(events, 'stateChanged').at(-1)?.state).toBe(RunState.SUCCEEDED);
  });

  it('begins anew at step 0', async () => {
    const { house, client, runId } = await finishedRun();
    const { run } = await client.forkRun({ runId, step: 0, recipeOverridesYaml: 'steps: 1' });
    await follow(house, run!.runId);
    expect(house.policy.taken[4]?.examples).toEqual(house.policy.taken[0]?.examples);
    expect(house.policy.version).toBe(2);
  });

  it('survives a restart of its policy before its first step', async () => {
    const { house, client, runId } = await finishedRun();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 60_000 });
    const { run } = await client.forkRun({ runId, step: 2 });
    for (let waited = 0; house.policy.calls('trainStep') < 5 && waited < 500; waited += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await house.shutDown();
    house.policy.version = 0;
    await house.restart();
    const events = await follow(house, run!.runId);
    expect(ofKind(events, 'stepFinished').map(({ policyVersion }) => policyVersion)).toEqual([6, 8]);
  });

  it('names the steps that it can begin from when there is no checkpoint of the one asked for', async () => {
    const { house, client, runId } = await finishedRun({ checkpoint: { everySteps: 1, keepLast: 2 } });
    expect(await failureOf(client.forkRun({ runId, step: 1 }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: `run ${runId}: has no checkpoint of step 1 any more; it has those of steps 3, 4`,
    });
    // The name of step 3's checkpoint is used again, by hand.
    house.policy.version = 99;
    await house.policyClient.saveCheckpoint({ name: `${runId}-slot-1` });
    expect(
      await failureOf(client.forkRun({ runId, step: 3, recipeOverridesYaml: 'steps: 9' })),
    ).toMatchObject({
      message: `run ${runId}: has no checkpoint of step 3 any more; it has those of steps 4`,
    });
  });

  it.each<[string, { readonly step: number; readonly recipeOverridesYaml?: string }, object]>([
    ['a step before the first', { step: -1 }, { violations: [{ field: 'step' }] }],
    ['a step that is not finished', { step: 7 }, { message: expect.stringMatching(/not yet step 7$/) }],
    [
      'a fork that has nothing left to do',
      { step: 4 },
      { violations: [{ field: 'recipe_overrides_yaml.steps' }] },
    ],
    [
      'a key that is none',
      { step: 1, recipeOverridesYaml: 'stepz: 3' },
      { violations: [{ field: 'recipe_overrides_yaml.stepz' }] },
    ],
    [
      'another preset',
      { step: 1, recipeOverridesYaml: 'preset: grpo' },
      { violations: [{ field: 'recipe_overrides_yaml.preset' }] },
    ],
    [
      'what is no YAML',
      { step: 1, recipeOverridesYaml: 'a: [' },
      { violations: [{ field: 'recipe_overrides_yaml' }] },
    ],
  ])('refuses %s', async (_, request, failure) => {
    const { client, runId } = await finishedRun();
    expect(await failureOf(client.forkRun({ runId, ...request }))).toMatchObject(failure);
    expect((await client.listRuns({})).runs).toHaveLength(1);
  });

  it('knows no weights of a run that began with those its policy had', async () => {
    const { client, runId } = await finishedRun({ name: 'here' }, 'current');
    expect(await failureOf(client.forkRun({ runId, step: 0 }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/change policy\.start$/) as unknown as string,
    });
  });
});
