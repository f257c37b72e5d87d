/** Conducts a run from where its books leave off to its end, or to the next rest. */
import { inTrace, newTrace } from '@backsight/rpc';
import { saveForPause, saveIfDue } from './checkpoints.js';
import { evaluateIfDue } from './evaluate.js';
import { meetWeights, type OpenRun } from './open-run.js';
import { PolicyMovedOnError } from './policy-moved-on.js';
import { takeHold } from './recovery.js';
import { takeStep } from './step.js';

export type Ending = 'succeeded' | 'paused';

/** Most times in a row that a policy may be lost and brought back. */
const MOST_RECOVERIES = 3;

/** Takes steps until all are taken or `shouldPause` says to rest between two. */
export async function conduct(run: OpenRun, shouldPause: () => boolean): Promise<Ending> {
  try {
    let step = await stepsFinished(run);
    let held = false;
    for (let recoveries = 0; ;) {
      try {
        if (!held) {
          await takeHold(run);
          await meetWeights(run);
        }
        held = true;
        const last = step === run.recipe.steps || (await isSolved(run, step));
        await evaluateIfDue(run, step, last);
        await saveIfDue(run, step, last);
        if (last) return 'succeeded';
        if (shouldPause()) {
          await saveForPause(run, step);
          return 'paused';
        }
        // Whatever the rooms log of a step, they log under one trace.
        await inTrace(newTrace(), () => takeStep(run, step + 1));
        await meetWeights(run);
        step += 1;
        recoveries = 0;
      } catch (error) {
        if (!(error instanceof PolicyMovedOnError) || recoveries === MOST_RECOVERIES) throw error;
        recoveries += 1;
        run.logger.warn({ err: error, step }, 'the policy has moved on');
        held = false;
        await run.ahead.abandon();
      }
    }
  } finally {
    await run.ahead.abandon();
    await run.players.crew?.close();
  }
}

/** Whether a run that is to stop when solved has been, by the rollouts of this step. */
async function isSolved({ runId, recipe, store }: OpenRun, step: number): Promise<boolean> {
  return recipe.stopWhenSolved && (await store.rollouts.solved(runId, step)) !== undefined;
}

async function stepsFinished({ runId, store }: OpenRun): Promise<number> {
  return (await store.runs.get(runId))?.step ?? 0;
}
