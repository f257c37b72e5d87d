/** Runs and rollouts as messages. */
import { type RolloutSummary, type Run, RunState } from '@backsight/contract/coordinator';
import { formatRecipe, type Recipe } from './recipe/recipe.js';
import type { RolloutBrief } from './store/rollout-shelf.js';
import type { RunRecord } from './store/run-record.js';

export function packRun(run: RunRecord): Run {
  return {
    runId: run.runId,
    name: run.name,
    state: run.state,
    step: run.step,
    totalSteps: run.totalSteps,
    policyVersion: run.policyVersion ?? 0,
    recipeYaml: run.recipe,
    failure: run.failure,
    createdAtMs: run.createdAtMs,
    metrics: { ...run.metrics },
  };
}

/** A recipe that was only checked, as the run it would be. */
export function packPreview(recipe: Recipe): Run {
  return {
    runId: '',
    name: recipe.name,
    state: RunState.UNSPECIFIED,
    step: 0,
    totalSteps: recipe.steps,
    policyVersion: 0,
    recipeYaml: formatRecipe(recipe),
    failure: '',
    createdAtMs: 0,
    metrics: {},
  };
}

export function packSummary(rollout: RolloutBrief): RolloutSummary {
  const { rolloutId, step, taskId, reward, solved, completionTokens, policyVersion } = rollout;
  return { rolloutId, step, taskId, reward, solved, completionTokens, policyVersion };
}
