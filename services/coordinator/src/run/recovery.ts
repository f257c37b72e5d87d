/** Takes hold of a run's policy: for the first time, or after a crash, a pause or a failure. */
import type { Checkpoint } from '@backsight/contract/policy';
import { describeError, readFailure } from '@backsight/rpc';
import { patiently } from '../rooms/patience.js';
import { deadlines } from '../rooms/rooms.js';
import type { RunRecord, StepRecord } from '../store/run-record.js';
import { makeExamples } from './examples.js';
import { type OpenRun, warn } from './open-run.js';
import { describePolicy } from './players.js';
import { train } from './train.js';

/** The policy is not where the run left it, and the run cannot bring it back. */
export class PolicyLostError extends Error {
  override readonly name = 'PolicyLostError';
}

/** What the books say and what the policy says. */
export interface Findings {
  /** After the last finished step; undefined for a run that never had hold of its policy. */
  readonly recorded: number | undefined;
  /** Steps finished. */
  readonly step: number;
  /** The step that was announced and not finished. */
  readonly announced: Pick<StepRecord, 'startVersion' | 'expectedVersion'> | undefined;
  /** The policy's version now. */
  readonly found: number;
  /** Whether this run was the last to train the policy. */
  readonly holds: boolean;
}

/**
 * What to do about them.
 *
 * - `start`: nothing is trained yet; begin with the weights that the recipe names.
 * - `continue`: the policy is where the run left it, or where the announced step takes it: training finds out which.
 * - `restore`: the policy is elsewhere; a checkpoint, and the journal of the steps since, bring it back.
 */
export type Decision = 'start' | 'continue' | 'restore';

export function decide({ recorded, step, announced, found, holds }: Findings): Decision {
  if (recorded === undefined) return 'start';
  if (holds && (found === recorded || found === announced?.expectedVersion)) return 'continue';
  return step === 0 ? 'start' : 'restore';
}

/** Brings the policy to where the run goes on from. Throws PolicyLostError when that is nowhere to be found. */
export async function takeHold(run: OpenRun): Promise<void> {
  const { runId, recipe, store, players } = run;
  const record = await store.runs.get(runId);
  if (record === undefined) throw new Error(`The store has no run ${runId}.`);
  const { version: found } = await describePolicy(players.policy, players.patience);
  const announced = await store.journal.step(runId, record.step + 1);
  const holds = (await store.runs.holder(recipe.policy.address)) === runId;
  switch (decide({ recorded: record.policyVersion, step: record.step, announced, found, holds })) {
    case 'start':
      return start(run, record, announced);
    case 'continue':
      return;
    case 'restore':
      return restore(run, record, announced, found);
  }
}

async function start(run: OpenRun, record: RunRecord, announced: StepRecord | undefined): Promise<void> {
  const { runId, recipe, store, players } = run;
  const { start: name, address } = recipe.policy;
  if (name === 'current' && announced !== undefined) {
    const { version } = await describePolicy(players.policy, players.patience);
    throw new PolicyLostError(elsewhere(run, record, announced, version));
  }
  // What other weights have sampled is not this run's.
  await store.journal.discardStep(runId, record.step + 1);
  await store.runs.letGo(address);
  const version =
    name === 'current'
      ? (await describePolicy(players.policy, players.patience)).version
      : await restoreCheckpoint(run, name);
  await store.runs.takeHold(runId, address, version);
}

async function restore(
  run: OpenRun,
  record: RunRecord,
  announced: StepRecord | undefined,
  found: number,
): Promise<void> {
  const { runId, recipe, store } = run;
  const base = await baseOf(run, record);
  if (base === undefined) {
    throw new PolicyLostError(
      `${elsewhere(run, record, announced, found)} No checkpoint of this run is left to bring it back from.`,
    );
  }
  await store.runs.letGo(recipe.policy.address);
  await restoreCheckpoint(run, base.checkpoint);
  for (let step = base.step + 1; step <= record.step; step += 1) await trainAgain(run, step);
  await store.runs.takeHold(runId, recipe.policy.address, record.policyVersion ?? 0);
  const again =
    base.step === record.step ? '' : `, and trained again on the rollouts since step ${base.step}`;
  await warn(
    run,
    'policy-restored',
    `The policy was at version ${found}; it was brought back to step ${record.step} from checkpoint ${base.checkpoint}${again}.`,
  );
}

/** The last point of a run that the policy still has weights of: a finished step, or the beginning (step 0). */
async function baseOf(
  run: OpenRun,
  record: RunRecord,
): Promise<{ readonly step: number; readonly checkpoint: string } | undefined> {
  const { runId, recipe, store } = run;
  const listed = await checkpointsOf(run);
  const isThere = (checkpoint: string | undefined, version: number | undefined): checkpoint is string =>
    listed.some((each) => each.name === checkpoint && each.version === version);
  const saved = [...(await store.journal.checkpointed(runId))].reverse();
  for (const { step, checkpoint, expectedVersion } of saved) {
    if (step <= record.step && isThere(checkpoint, expectedVersion)) return { step, checkpoint };
  }
  const first = await store.journal.step(runId, 1);
  // Weights that had taken no step when the run began are those that the policy was started with.
  const beginning = recipe.policy.start === 'current' ? 'initial' : recipe.policy.start;
  return isThere(beginning, first?.startVersion) ? { step: 0, checkpoint: beginning } : undefined;
}

/** Takes a finished step's transaction once more, on the rollouts that the journal has of it. */
async function trainAgain(run: OpenRun, step: number): Promise<void> {
  const { runId, recipe, store, players } = run;
  const transaction = await store.journal.step(runId, step);
  if (transaction === undefined) throw new Error(`The journal of run ${runId} has no step ${step}.`);
  if (transaction.expectedVersion === transaction.startVersion) return;
  const rollouts = await store.journal.rollouts(runId, step);
  const { renderer, policyCard } = players;
  run.logger.info({ step }, 'training again from the journal');
  await train(run, transaction, makeExamples(rollouts, recipe, renderer, policyCard.contextWindow));
}

async function checkpointsOf({ players: { policy, patience } }: OpenRun): Promise<readonly Checkpoint[]> {
  return patiently(`the policy at ${policy.address}`, patience, async () => {
    const options = { signal: patience.signal, deadlineMs: deadlines.describe };
    return (await policy.client.listCheckpoints({}, options)).checkpoints;
  });
}

/** Restores a checkpoint and returns its version. */
async function restoreCheckpoint({ players }: OpenRun, name: string): Promise<number> {
  const { policy, patience } = players;
  try {
    const { checkpoint } = await patiently(`the policy at ${policy.address}`, patience, () =>
      policy.client.restoreCheckpoint(
        { name },
        { signal: patience.signal, deadlineMs: deadlines.checkpoint },
      ),
    );
    return checkpoint?.version ?? (await describePolicy(policy, patience)).version;
  } catch (error) {
    const code = readFailure(error)?.code;
    if (code !== 'NOT_FOUND' && code !== 'FAILED_PRECONDITION') throw error;
    throw new PolicyLostError(`The checkpoint ${name} cannot be restored: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function elsewhere(
  { players }: OpenRun,
  { step, policyVersion }: RunRecord,
  announced: StepRecord | undefined,
  found: number,
): string {
  const taken =
    announced === undefined ? '' : `, or at ${announced.expectedVersion} had step ${step + 1} been taken`;
  return `The policy at ${players.policy.address} is at version ${found}; the run left it at version ${policyVersion ?? 0} after step ${step}${taken}.`;
}
