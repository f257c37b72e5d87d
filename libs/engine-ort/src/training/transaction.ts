import {
  EngineInputError,
  type StepReport,
  type TrainExample,
  type TrainPlan,
  type TrainReport,
} from '@backsight/engine';
import { random, rolloutCorrectionMetrics, shareOut } from '@backsight/sdpo';
import type { Model } from '../transformer/model.js';
import { Means } from './means.js';
import { MiniBatch } from './mini-batch.js';
import { exampleViolations, planViolations } from './plan-violations.js';
import type { Snapshot } from './policy-weights.js';
import { contributes, isDistilled, prepareExample, type PreparedExample } from './prepare.js';
import { Stopwatch } from './stopwatch.js';
import { movesPerStep, teach, type Teaching } from './teacher.js';
import { tokenMetrics } from './token-metrics.js';
import type { Workbench } from './workbench.js';

/**
 * Takes all optimizer steps of the plan or none: on an error or an abort the policy is as it was.
 *
 * The caller sees to it that nothing else reads or writes the policy meanwhile.
 */
export async function trainTransaction(
  bench: Workbench,
  plan: TrainPlan,
  examples: readonly TrainExample[],
  signal: AbortSignal,
): Promise<TrainReport> {
  requireValid(bench.model, plan, examples);
  // A single step changes the weights only once nothing can fail any more, so there is nothing to go back to.
  const before = plan.miniBatches > 1 ? bench.policy.snapshot() : undefined;
  try {
    return await takeSteps(bench, plan, examples, before, signal);
  } catch (error) {
    if (before !== undefined) bench.policy.restore(before);
    throw error;
  }
}

async function takeSteps(
  bench: Workbench,
  plan: TrainPlan,
  examples: readonly TrainExample[],
  before: Snapshot | undefined,
  signal: AbortSignal,
): Promise<TrainReport> {
  const { model, policy } = bench;
  const { objective, teacher } = plan;
  const stopwatch = new Stopwatch();
  const means = new Means();
  const prepared = await stopwatch.measure('old_logprobs', () => prepareAll(bench, plan, examples, signal));
  const live = (before?.student ?? policy.student).flat;
  const teachAll = (taught: readonly PreparedExample[]) => {
    const distilled = taught
      .map(({ example }) => example)
      .filter((example) => isDistilled(objective, example));
    return stopwatch.measure('teacher', () => teach(model, policy, teacher, live, distilled, signal));
  };
  const distils = objective.distillation !== undefined;
  const staticTeaching = distils && !movesPerStep(teacher) ? await teachAll(prepared) : undefined;

  const steps: StepReport[] = [];
  for (const indices of shareOut(
    prepared.length,
    plan.miniBatches,
    random(plan.shuffleSeed, 'mini-batches'),
  )) {
    const share = indices.flatMap((index) => prepared[index] ?? []);
    const teaching: Teaching | undefined = staticTeaching ?? (distils ? await teachAll(share) : undefined);
    const miniBatch = new MiniBatch(bench, plan, share, teaching);
    const losses = await stopwatch.measure('gradient', () =>
      miniBatch.computeGradient(means, steps.length === 0, signal),
    );
    signal.throwIfAborted();
    const outcome = stopwatch.measureNow('update', () => policy.step(bench.gradient.total, plan.optimizer));
    if (!outcome.skipped && movesPerStep(teacher)) policy.moveTeacher(teacher.rate);
    steps.push({ ...losses, gradientNorm: outcome.gradientNorm, skipped: outcome.skipped });
  }
  if (teacher.kind === 'ema' && teacher.cadence === 'batch' && steps.some(({ skipped }) => !skipped))
    stopwatch.measureNow('update', () => {
      policy.moveTeacher(teacher.rate);
    });
  policy.version += plan.miniBatches;
  return {
    version: policy.version,
    steps,
    metrics: { ...metricsOf(plan, steps, means), ...correctionMetrics(plan, prepared) },
    seconds: stopwatch.seconds(),
  };
}

function requireValid({ config }: Model, plan: TrainPlan, examples: readonly TrainExample[]): void {
  const violations = [...planViolations(plan, examples.length), ...exampleViolations(plan, examples, config)];
  if (violations.length > 0) throw new EngineInputError(violations);
}

/** Recomputes the logprobs under the weights at the start where the plan corrects for the sampler's. */
async function prepareAll(
  { model, policy }: Workbench,
  { objective }: TrainPlan,
  examples: readonly TrainExample[],
  signal: AbortSignal,
): Promise<readonly PreparedExample[]> {
  const recomputed = new Map<TrainExample, readonly number[]>();
  if (objective.rolloutImportanceCap !== undefined) {
    const needed = examples.filter((example) => contributes(objective, example));
    const scores = await model.score(
      policy.student.flat,
      needed.map(({ studentPromptIds, completionIds }) => ({ promptIds: studentPromptIds, completionIds })),
      { temperature: objective.temperature, topK: 0 },
      signal,
    );
    needed.forEach((example, i) => recomputed.set(example, scores[i]?.logprobs ?? []));
  }
  return examples.map((example) => prepareExample(objective, example, recomputed.get(example)));
}

function metricsOf(plan: TrainPlan, steps: readonly StepReport[], means: Means): Record<string, number> {
  const { distillation, policyGradient, likelihood } = plan.objective;
  const mean = (value: (step: StepReport) => number, of = steps) =>
    of.reduce((sum, step) => sum + value(step), 0) / Math.max(1, of.length);
  const taken = steps.filter(({ skipped }) => !skipped);
  const samplingDifference = means.largest(tokenMetrics.samplingDifference);
  return {
    ...means.means(),
    // By established use this is the loss that the actor minimises, whatever its terms.
    'actor/pg_loss': mean(({ loss }) => loss),
    'actor/grad_norm': mean(({ gradientNorm }) => gradientNorm, taken),
    'actor/lr': plan.optimizer.learningRate,
    'actor/skipped_steps': steps.length - taken.length,
    ...(distillation && { 'self_distillation/distillation_loss': mean((step) => step.distillationLoss) }),
    ...(policyGradient && { 'self_distillation/policy_loss': mean((step) => step.policyGradientLoss) }),
    ...(likelihood && { 'actor/likelihood_loss': mean((step) => step.likelihoodLoss) }),
    ...(samplingDifference !== undefined && { 'sampling/logprob_abs_diff_max': samplingDifference }),
  };
}

function correctionMetrics(
  { objective }: TrainPlan,
  prepared: readonly PreparedExample[],
): Readonly<Record<string, number>> {
  if (objective.rolloutImportanceCap === undefined) return {};
  return rolloutCorrectionMetrics(
    prepared
      .filter((example) => example.contributes)
      .map(({ example, oldLogprobs }) => ({ old: oldLogprobs, sampled: example.completionLogprobs })),
    objective.rolloutImportanceCap,
  );
}
