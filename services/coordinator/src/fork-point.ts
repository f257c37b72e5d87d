/** Where a fork begins: a finished step of another run, with the checkpoint that still holds the policy after it. */
import type { Checkpoint } from '@backsight/contract/policy';
import { type Recipe, RecipeError } from './recipe/recipe.js';
import { PreconditionError } from './run-errors.js';
import type { RunOrigin, RunRecord, StepRecord } from './store/run-record.js';

/** What is known of the run to fork. */
export interface Parent {
  readonly run: RunRecord;
  /** Its finished steps that have a checkpoint by the books, in order. */
  readonly kept: readonly StepRecord[];
  /** Those that the fork's policy has. */
  readonly checkpoints: readonly Checkpoint[];
}

/**
 * The origin of a fork at a step; undefined at step 0, where a fork is a run of its own. Throws RecipeError when the fork's
 * recipe leaves it nothing to do, PreconditionError when nothing holds the policy of that step any more.
 */
export function forkPoint(parent: Parent, step: number, recipe: Recipe): RunOrigin | undefined {
  const { run } = parent;
  if (step > run.step)
    throw new PreconditionError(`run ${run.runId}`, `has finished ${run.step} steps, not yet step ${step}`);
  if (recipe.steps <= step) {
    const description = `must be more than the ${step} that the fork begins with, is ${recipe.steps}`;
    throw new RecipeError([{ field: 'steps', description }]);
  }
  if (step === 0) {
    if (recipe.policy.start === 'current') throw unknownBeginning(run);
    return undefined;
  }
  const there = parent.kept.filter((each) => holds(parent.checkpoints, each));
  const found = there.find((each) => each.step === step);
  if (found?.checkpoint === undefined) {
    const others = there.map((each) => each.step).join(', ');
    throw new PreconditionError(
      `run ${run.runId}`,
      `has no checkpoint of step ${step} any more; ${others === '' ? 'it has none at all' : `it has those of steps ${others}`}`,
    );
  }
  return { step, policyVersion: found.expectedVersion, checkpoint: found.checkpoint, metrics: found.metrics };
}

const unknownBeginning = ({ runId }: RunRecord): Error =>
  new PreconditionError(
    `run ${runId}`,
    'began with the weights that its policy had at that time, which no checkpoint holds; change policy.start',
  );

/** A name may have been used again since; its version tells. */
const holds = (checkpoints: readonly Checkpoint[], { checkpoint, expectedVersion }: StepRecord): boolean =>
  checkpoints.some(({ name, version }) => name === checkpoint && version === expectedVersion);
