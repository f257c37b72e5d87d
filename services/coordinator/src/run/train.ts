/** Takes a training transaction exactly once, whatever becomes of the call. */
import type { TrainPlan, TrainStepRequest, TrainStepResponse } from '@backsight/contract/policy';
import { describeError } from '@backsight/rpc';
import { learningRateOfStep } from '@backsight/sdpo';
import { Waits } from '../rooms/patience.js';
import { deadlines } from '../rooms/rooms.js';
import { packExample, packObjective, packOptimizer, packTeacher } from '../rooms/wire.js';
import type { StepLesson } from './examples.js';
import { type OpenRun, warn } from './open-run.js';
import { describePolicy } from './players.js';
import { PolicyMovedOnError } from './policy-moved-on.js';
import { seedOf } from './seeds.js';
import type { Transaction } from './transaction.js';

/** The policy's report; undefined when it was lost with the reply, though the transaction was taken. */
export type TrainReport = TrainStepResponse | undefined;

/**
 * Sends the transaction until the policy is at its expected version. After any failure the policy's version decides: still at
 * the start, the transaction is sent again; at the expected version, it was taken and only its reply was lost.
 *
 * Throws PolicyMovedOnError at any other version.
 */
export async function train(
  run: OpenRun,
  transaction: Transaction,
  lesson: StepLesson,
): Promise<TrainReport> {
  const { policy, patience } = run.players;
  const { step, startVersion, expectedVersion } = transaction;
  const total = lesson.examples.length;
  const waits = new Waits(`the policy at ${policy.address}`, patience);
  run.progress('train', step, 0, total);
  for (;;) {
    try {
      const options = { signal: patience.signal, deadlineMs: deadlines.trainStep };
      const report = await policy.client.trainStep(requests(run, transaction, lesson), options);
      if (report.version !== expectedVersion)
        throw new PolicyMovedOnError(report.version, `version ${expectedVersion}`);
      run.progress('train', step, total, total);
      return report;
    } catch (error) {
      if (error instanceof PolicyMovedOnError) throw error;
      patience.signal.throwIfAborted();
      const { version } = await describePolicy(policy, patience);
      if (version === expectedVersion) {
        await warn(run, 'train-report-lost', reportLost(step, error));
        return undefined;
      }
      if (version !== startVersion)
        throw new PolicyMovedOnError(version, `version ${startVersion} or ${expectedVersion}`);
      run.logger.warn({ err: error, step }, 'the transaction was not taken');
      await waits.after(error);
    }
  }
}

async function* requests(
  run: OpenRun,
  transaction: Transaction,
  { examples, successes }: StepLesson,
): AsyncGenerator<TrainStepRequest, void, void> {
  const plan = planOf(run, transaction);
  yield { payload: { $case: 'plan', value: plan } };
  for (const example of examples) {
    yield { payload: { $case: 'example', value: packExample(example, successes.has(example.rolloutId)) } };
  }
  // A coordinator that is killed, or a run that is stopped, before this has trained nothing.
  if (plan.commits) yield { payload: { $case: 'commit', value: {} } };
  // The contract takes a stream; what is streamed is at hand.
  await Promise.resolve();
}

function planOf(
  { runId, recipe, players }: OpenRun,
  { step, startVersion, expectedVersion }: Transaction,
): TrainPlan {
  return {
    expectedVersion: startVersion,
    objective: packObjective(recipe.objective),
    teacher: packTeacher(recipe.teacher),
    optimizer: packOptimizer(recipe.optimizer, learningRateOfStep(recipe.optimizer, step)),
    miniBatches: expectedVersion - startVersion,
    shuffleSeed: seedOf(recipe.seed, 'step', step, 'shuffle'),
    runId,
    step,
    // A policy of before there was a commit would refuse one.
    commits: players.policyCard.training?.commits ?? false,
  };
}

const reportLost = (step: number, error: unknown): string =>
  `Step ${step} was taken, but the policy's report of it was lost (${describeError(error)}): its losses are missing from the metrics.`;
