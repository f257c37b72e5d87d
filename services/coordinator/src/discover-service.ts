/** The edge of Discover: test-time self-distillation on one hard task, as a run that ends when an attempt solves it. */
import {
  type DiscoverRequest,
  type DiscoverResponse,
  type RunEvent,
  RunState,
} from '@backsight/contract/coordinator';
import { invalidArgument, type Violation } from '@backsight/rpc';
import type { Coordinator } from './coordinator.js';
import { amendRecipe, formatRecipe, parseRecipe, type Recipe } from './recipe/recipe.js';
import { transcript } from './run/examples.js';
import { PreconditionError } from './run-errors.js';
import { ClosingError, endedStates } from './watchers.js';

/**
 * Yields each batch of attempts until one solves the task or none are left (paper, Sec. 5). A caller who leaves stops the
 * run. Throws RecipeError, NoSuchTaskError, PreconditionError and the failures of the rooms.
 */
export async function* discover(
  coordinator: Coordinator,
  request: DiscoverRequest,
  signal: AbortSignal,
): AsyncGenerator<DiscoverResponse, void, void> {
  const recipe = await coordinator.check(formatRecipe(discoveryOf(request)), signal);
  const { runId } = await coordinator.create(recipe, '');
  let ended = false;
  try {
    for await (const event of await coordinator.watch(runId, 0, signal)) {
      ended = event.kind?.$case === 'stateChanged' && endedStates.includes(event.kind.value.state);
      const answer = await answerTo(coordinator, runId, event);
      if (answer !== undefined) yield answer;
    }
  } catch (error) {
    // The run goes on when the coordinator starts again, as every run does.
    ended ||= error instanceof ClosingError;
    throw error;
  } finally {
    if (!ended) await coordinator.stop(runId);
  }
}

/** The caller's recipe with the one task, for as many steps as there are attempts. */
function discoveryOf({ recipeYaml, taskId, maxAttempts }: DiscoverRequest): Recipe {
  const task = { environment: { task: taskId }, tasksPerStep: 1, steps: 1, stopWhenSolved: true };
  const changes = JSON.stringify({ ...task, evaluation: null });
  const violations: Violation[] = [];
  if (taskId === '') violations.push({ field: 'task_id', description: 'must be the name of a task' });
  if (maxAttempts === 0) violations.push({ field: 'max_attempts', description: 'must be at least 1' });
  if (violations.length > 0) throw invalidArgument(violations);
  const recipe = parseRecipe(amendRecipe(recipeYaml, changes));
  const steps = Math.floor(maxAttempts / recipe.groupSize);
  if (steps === 0) {
    const description = `must be at least the recipe's groupSize ${recipe.groupSize}, is ${maxAttempts}`;
    throw invalidArgument([{ field: 'max_attempts', description }]);
  }
  return { ...recipe, steps };
}

async function answerTo(
  { store }: Coordinator,
  runId: string,
  { kind }: RunEvent,
): Promise<DiscoverResponse | undefined> {
  if (kind?.$case === 'stateChanged') {
    const { state, failure } = kind.value;
    if (state === RunState.FAILED) throw new PreconditionError(`run ${runId}`, `failed: ${failure}`);
    if (state === RunState.STOPPED) throw new PreconditionError(`run ${runId}`, 'was stopped');
  }
  if (kind?.$case !== 'stepFinished') return undefined;
  const { step, rollouts, metrics } = kind.value;
  const solver = await store.rollouts.solved(runId, step);
  const found = solver === undefined ? undefined : await store.rollouts.get(runId, solver);
  return {
    attempts: rollouts,
    solved: found !== undefined,
    solution: found === undefined ? '' : transcript(found.rollout),
    reward: metrics['critic/rewards/mean'] ?? 0,
    runId,
  };
}
