import { afterEach, describe, expect, it } from '@jest/globals';
import { openRealHouse, type RealHouse } from '@backsight/testing';
import { follow, ofKind } from './toy-watching.js';

let house: RealHouse | undefined;
afterEach(async () => {
  await house?.close();
  house = undefined;
});

describe('a policy that keeps its best checkpoint', () => {
  it('keeps that of the step whose held-out pass rate was the highest, and the last', async () => {
    house = await openRealHouse({
      PATH: process.env['PATH'],
      BACKSIGHT_CHECKPOINTS_KEEP_LAST: '1',
      BACKSIGHT_CHECKPOINTS_KEEP_BEST: '1',
    });
    const recipeYaml = house.recipe({
      steps: 3,
      // So fast that it soon unlearns what it learned.
      optimizer: { learningRate: 3e-3, weightDecay: 0 },
      checkpoint: { everySteps: 1 },
      evaluation: { split: 'held-out', everySteps: 1, samplesPerTask: 4, beforeTraining: false },
    });
    const { run } = await house.client.createRun({ recipeYaml });
    const runId = run!.runId;
    const rates = ofKind(await follow(house, runId), 'evaluated');
    expect(rates.map(({ step }) => step)).toEqual([1, 2, 3]);
    const best = Math.max(...rates.map(({ passRate }) => passRate));
    const steps = new Set([3, rates.findLast(({ passRate }) => passRate === best)!.step]);

    const { checkpoints } = await house.policyClient.listCheckpoints({});
    const kept = checkpoints.filter(({ name }) => name.startsWith(runId));
    expect(new Map(kept.map(({ name, score }) => [name, score]))).toEqual(
      new Map(
        rates
          .filter(({ step }) => steps.has(step))
          .map(({ step, passRate }) => [`${runId}-step-${step}`, passRate]),
      ),
    );
  }, 60_000);
});
