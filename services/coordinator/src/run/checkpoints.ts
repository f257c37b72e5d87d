/** Checkpoints of a run's policy, from which the run goes on when the policy itself is lost. */
import { readFailure } from '@backsight/rpc';
import { patiently } from '../rooms/patience.js';
import { deadlines } from '../rooms/rooms.js';
import { type OpenRun, warn } from './open-run.js';

/** Saves the checkpoint that is due after a step, as it is after the last, unless it is saved already. */
export async function saveIfDue(run: OpenRun, step: number, last: boolean): Promise<void> {
  const { everySteps, keepLast } = run.recipe.checkpoint;
  if (step === 0 || everySteps === 0) return;
  if (step % everySteps !== 0 && !last) return;
  const place = Math.ceil(step / everySteps);
  await save(run, step, keepLast === undefined ? `step-${step}` : `slot-${place % keepLast}`);
}

/** Saves the policy of a run that pauses: by the time it resumes, the policy may have been restarted or trained by another run. */
export async function saveForPause(run: OpenRun, step: number): Promise<void> {
  if (step > 0) await save(run, step, 'paused');
}

/** A checkpoint that cannot be written is a warning: the run can go on without it. */
async function save(run: OpenRun, step: number, suffix: string): Promise<void> {
  const { runId, store, players } = run;
  const { policy, patience } = players;
  if ((await store.journal.step(runId, step))?.checkpoint !== undefined) return;
  const name = `${runId}-${suffix}`;
  const score = await scoreOf(run, step);
  try {
    await patiently(`the policy at ${policy.address}`, patience, async () => {
      // The connection's own retries would wait for a full disk.
      const options = { signal: patience.signal, deadlineMs: deadlines.checkpoint, retry: false };
      await policy.client.saveCheckpoint({ name, score }, options).catch((error: unknown) => {
        throw isRefusal(error) ? new CheckpointRefusedError(readFailure(error)?.message) : error;
      });
    });
  } catch (error) {
    if (!(error instanceof CheckpointRefusedError)) throw error;
    await warn(
      run,
      'checkpoint-not-saved',
      `The checkpoint of step ${step} could not be saved: ${error.message}`,
    );
    return;
  }
  await store.journal.recordCheckpoint(runId, step, name);
}

class CheckpointRefusedError extends Error {
  override readonly name = 'CheckpointRefusedError';
}

/** A full disk stays full for longer than a run should wait. */
const isRefusal = (error: unknown): boolean => {
  const code = readFailure(error)?.code;
  return code === 'RESOURCE_EXHAUSTED' || code === 'FAILED_PRECONDITION' || code === 'UNIMPLEMENTED';
};

/**
 * How good the weights after a step are: the pass rate of the evaluation made of them; of a recipe without evaluations, the reward of
 * the step's rollouts, which the weights just before it earned. Unset where neither is known.
 */
async function scoreOf({ runId, recipe, store }: OpenRun, step: number): Promise<number | undefined> {
  const { evaluation } = recipe;
  return evaluation === undefined
    ? (await store.journal.step(runId, step))?.metrics['critic/rewards/mean']
    : store.evaluations.passRate(runId, step, evaluation.split);
}
