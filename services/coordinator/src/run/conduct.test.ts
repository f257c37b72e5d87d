import { afterEach, describe, expect, it } from '@jest/globals';
import { RunState } from '@backsight/contract/coordinator';
import { ObjectiveKind, TeacherKind } from '@backsight/contract/policy';
import { resourceExhausted } from '@backsight/rpc';
import { away, type Script, scriptedPolicy } from '@backsight/testing';
import { learner, toyEnvironment, type ToyOptions } from '../toy-environment.js';
import { closeToyHouses, openToyHouse } from '../toy-house.js';
import { eventually, follow, ofKind } from '../toy-watching.js';

afterEach(closeToyHouses);

const openHouse = (script: Partial<Script> = {}, toy: Partial<ToyOptions> = {}) =>
  openToyHouse(
    scriptedPolicy({ answer: learner, ...script }),
    toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl', 'pig'], ...toy }),
  );

describe('a run', () => {
  it('takes all its steps, and rewards rise as the policy learns', async () => {
    const house = await openHouse();
    const { runId } = await house.create();
    const events = await follow(house, runId);
    const steps = ofKind(events, 'stepFinished');
    expect(steps.map(({ step, policyVersion, rollouts }) => [step, policyVersion, rollouts])).toEqual([
      [1, 2, 6],
      [2, 4, 12],
      [3, 6, 18],
    ]);
    expect(steps.map(({ metrics }) => metrics['critic/rewards/mean'])).toEqual(
      [1 / 3, 2 / 3, 1].map((x) => expect.closeTo(x)),
    );
    expect(ofKind(events, 'stateChanged').map(({ state }) => state)).toEqual([
      RunState.PENDING,
      RunState.RUNNING,
      RunState.SUCCEEDED,
    ]);
    expect(
      house.policy.taken.map(({ plan, version }) => [plan.expectedVersion, plan.miniBatches, version]),
    ).toEqual([
      [0, 2, 2],
      [2, 2, 4],
      [4, 2, 6],
    ]);
  });

  it('hands the policy every completion exactly as sampled, with the right teacher', async () => {
    const house = await openHouse();
    await follow(house, (await house.create({ steps: 1 })).runId);
    const { tokenizer } = house.policy;
    const { examples } = house.policy.taken[0]!;
    expect(examples.map(({ rolloutId }) => rolloutId)).toEqual([
      '1.0.0',
      '1.0.1',
      '1.0.2',
      '1.1.0',
      '1.1.1',
      '1.1.2',
    ]);
    const word = /Say (\w+)\./.exec(tokenizer.decode(examples[0]!.studentPromptIds))![1]!;
    const question = `<|start|>user\nSay ${word}.`;
    const header = '<|end|>\n<|start|>assistant\n';
    expect(tokenizer.decode(examples[0]!.studentPromptIds)).toBe(question + header);
    expect(tokenizer.decode(examples[0]!.completionIds)).toBe(`${word}<|end|>`);
    expect(examples[0]!.completionLogprobs).toHaveLength(word.length + 1);
    // The only success of its group is not shown to itself: it has no teacher, and stays in the batch.
    expect(examples[0]!.teacherPromptIds).toEqual([]);
    expect(tokenizer.decode(examples[1]!.teacherPromptIds)).toBe(
      `${question}\nHere is a solution that was verified as correct:\n\n${word}\n\nNow answer the original question correctly.${header}`,
    );
    expect(examples.map(({ advantage }) => advantage)).toEqual(
      [2 / 3, -1 / 3, -1 / 3, 2 / 3, -1 / 3, -1 / 3].map((x) => expect.closeTo(x)),
    );
    expect(examples.every(({ policyVersion }) => policyVersion === 0)).toBe(true);
  });

  it('is a function of its recipe', async () => {
    const plays = [];
    for (let time = 0; time < 2; time += 1) {
      const house = await openHouse();
      await follow(house, (await house.create()).runId);
      plays.push({
        taken: house.policy.taken.map(({ plan, examples }) => ({ ...plan, runId: '', examples })),
        seeds: house.policy.generated.map(({ sampling }) => sampling?.seed),
        begun: house.world.begun.map(({ taskId, seed }) => `${taskId} ${seed}`).sort(),
      });
    }
    expect(plays[0]).toEqual(plays[1]);
    expect(new Set(plays[0]!.begun).size).toBe(18);
  });

  it('tells its figures under their established names', async () => {
    const house = await openHouse();
    const events = await follow(house, (await house.create()).runId);
    const metrics = ofKind(events, 'stepFinished')[0]!.metrics;
    expect(Object.keys(metrics)).toEqual(
      expect.arrayContaining([
        'critic/rewards/mean',
        'critic/solved_fraction',
        'response_length/mean',
        'self_distillation/reprompt_sample_fraction',
        'self_distillation/masked/only-success',
        'actor/entropy',
        'actor/grad_norm',
        'actor/lr',
        'timing_s/rollout',
        'timing_s/judge',
        'timing_s/train',
        'timing_s/update',
        'timing_s/step',
        'perf/throughput',
        'training/epoch',
      ]),
    );
    expect(metrics['self_distillation/masked/only-success']).toBe(2);
    expect(metrics['environment/right/mean']).toBe(metrics['critic/solved_fraction']);
    const [run] = (await house.client.listRuns({})).runs;
    expect(run?.metrics['critic/rewards/mean']).toBeCloseTo(1);
  });

  it('evaluates before, during and after training, on the same questions with the same seeds', async () => {
    const house = await openHouse();
    const { runId } = await house.create({
      evaluation: { split: 'held-out', everySteps: 2, samplesPerTask: 2, beforeTraining: true },
    });
    const evaluations = ofKind(await follow(house, runId), 'evaluated');
    expect(
      evaluations.map(({ step, passRate, samples, rollouts }) => [step, passRate, samples, rollouts]),
    ).toEqual([
      [0, 0.5, 4, 0],
      [2, 1, 4, 12],
      [3, 1, 4, 18],
    ]);
    expect(evaluations.map(({ figures }) => figures)).toEqual([{ right: 0.5 }, { right: 1 }, { right: 1 }]);
    const seeds = house.world.begun.filter(({ taskId }) => taskId === 'say-owl').map(({ seed }) => seed);
    expect(new Set(seeds).size).toBe(2);
    expect(seeds).toHaveLength(6);
  });

  it('saves checkpoints that hold the steps they are named for', async () => {
    const house = await openHouse();
    const { runId } = await house.create({ checkpoint: { everySteps: 2 } });
    await follow(house, runId);
    const { checkpoints } = await house.policyClient.listCheckpoints({});
    expect(checkpoints.map(({ name, version }) => [name, version])).toEqual([
      [`${runId}-step-3`, 6],
      [`${runId}-step-2`, 4],
      ['initial', 0],
    ]);
  });

  it('keeps as many checkpoints as it is told to, the newest', async () => {
    const house = await openHouse();
    await follow(house, (await house.create({ steps: 5, checkpoint: { everySteps: 1, keepLast: 2 } })).runId);
    const { checkpoints } = await house.policyClient.listCheckpoints({});
    expect(checkpoints.map(({ version }) => version).sort((a, b) => a - b)).toEqual([0, 8, 10]);
  });

  it('goes on without a checkpoint that cannot be written, and says so', async () => {
    const house = await openHouse();
    house.policy.faults.add('saveCheckpoint', {
      kind: 'refuse',
      error: resourceExhausted('the disk is full', 60_000),
    });
    const events = await follow(house, (await house.create({ checkpoint: { everySteps: 2 } })).runId);
    expect(ofKind(events, 'warning')).toEqual([
      {
        code: 'checkpoint-not-saved',
        message: expect.stringContaining('step 2 could not be saved: the disk is full') as unknown as string,
      },
    ]);
    expect(ofKind(events, 'stepFinished')).toHaveLength(3);
  });

  it('starts from the weights that the recipe names', async () => {
    const house = await openHouse();
    house.policy.version = 40;
    const { runId } = await house.create({
      steps: 1,
      policy: { address: house.addresses.policy, start: 'initial' },
    });
    await follow(house, runId);
    expect(house.policy.taken.map(({ plan }) => plan.expectedVersion)).toEqual([0]);
  });

  it.each([true, false])('commits its transactions to a policy that takes commits: %s', async (commits) => {
    const training = {
      objectives: [ObjectiveKind.DISTILLATION],
      teachers: [TeacherKind.EMA],
      maxSupport: 0,
      commits,
    };
    const house = await openHouse({ card: { training } });
    await follow(house, (await house.create({ steps: 2 })).runId);
    expect(house.policy.taken.map(({ plan }) => plan.commits)).toEqual([commits, commits]);
  });

  it('plays episodes of the next step while a step trains', async () => {
    const house = await openHouse();
    const slow = { kind: 'delay', ms: 300 } as const;
    house.policy.faults.add('trainStep', slow, slow, slow);
    const { runId } = await house.create({ maxStaleness: 1 });
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    await eventually(() => house.world.begun.length === 12, 'playing the second step');
    expect(house.policy.taken).toHaveLength(0);
    const steps = ofKind(await follow(house, runId), 'stepFinished');
    expect(steps.map(({ policyVersion }) => policyVersion)).toEqual([2, 4, 6]);
    // The second step trains on what the first step's weights wrote, and says so.
    expect(house.policy.taken.map(({ examples }) => examples[0]!.policyVersion)).toEqual([0, 0, 2]);
  });

  it('never plays more episodes at a time than the environment has places', async () => {
    const house = await openHouse({}, { capacity: 4 });
    const steps = ofKind(await follow(house, (await house.create()).runId), 'stepFinished');
    expect(steps).toHaveLength(3);
    expect(house.world.playing.most).toBeLessThanOrEqual(4);
    expect(house.policy.generated.map(({ prompts, groupSize }) => [prompts.length, groupSize])).toEqual(
      Array.from({ length: 6 }, () => [1, 3]),
    );
  });
});

describe('failures of rooms', () => {
  it('are waited out, and never become a reward', async () => {
    let failures = 0;
    const house = await openHouse(
      {},
      {
        beforeAnswer: () => {
          failures += 1;
          if (failures % 4 === 1) throw away();
        },
      },
    );
    house.policy.faults.add(
      'generate',
      { kind: 'break', error: away(), afterMessages: 2 },
      { kind: 'refuse', error: away() },
    );
    house.policy.faults.add('trainStep', { kind: 'break', error: away() }, { kind: 'lose-reply' });
    const events = await follow(house, (await house.create()).runId);
    const steps = ofKind(events, 'stepFinished');
    expect(failures).toBeGreaterThan(18);
    expect(steps.map(({ metrics }) => metrics['critic/rewards/mean'])).toEqual(
      [1 / 3, 2 / 3, 1].map((x) => expect.closeTo(x)),
    );
    expect(steps.map(({ policyVersion }) => policyVersion)).toEqual([2, 4, 6]);
    expect(house.policy.taken).toHaveLength(3);
    expect(ofKind(events, 'warning').map(({ code }) => code)).toEqual(['train-report-lost']);
    // A step whose report was lost has the figures that rollouts tell, and no losses.
    expect(steps.map(({ metrics }) => metrics['actor/grad_norm'])).toEqual([undefined, 1, 1]);
  });

  it("end a run that a bug of a room makes impossible, with the room's own words", async () => {
    const house = await openHouse(
      {},
      {
        beforeAnswer: ({ taskId }) => {
          if (taskId === 'say-bee') throw new Error('a bug');
        },
      },
    );
    const events = await follow(house, (await house.create({ tasksPerStep: 4 })).runId);
    expect(ofKind(events, 'stateChanged').at(-1)).toMatchObject({
      state: RunState.FAILED,
      failure: expect.stringContaining('environment failed unexpectedly') as unknown as string,
    });
    expect(house.world.playing.now).toBe(0);
    expect(house.policy.taken).toEqual([]);
  });

  it('end a run when a room stays away for longer than patience lasts', async () => {
    const house = await openHouse();
    await house.restart(1);
    house.policy.faults.add(
      'generate',
      ...Array.from({ length: 50 }, () => ({ kind: 'refuse' as const, error: away() })),
    );
    const events = await follow(house, (await house.create()).runId);
    expect(ofKind(events, 'stateChanged').at(-1)?.failure).toMatch(
      /^the policy at .* has been away for \d+ s: /,
    );
  });
});
