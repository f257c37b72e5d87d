/** The figures of a step under their established names, gathered from rollouts, examples, the policy's report and clocks. */
import { learningRateOfStep, type Metrics } from '@backsight/sdpo';
import type { Recipe } from '../recipe/recipe.js';
import { completionTokens } from '../store/rollout-record.js';
import { finite } from '../store/metrics.js';
import type { StepLesson } from './examples.js';
import { outcomeFigures } from './outcome-figures.js';
import type { PlayedStep } from './played-step.js';
import type { TrainReport } from './train.js';

/** What a step leaves to be measured. Times are those of `performance.now`, in milliseconds. */
export interface StepTraces {
  readonly played: PlayedStep;
  readonly lesson: StepLesson;
  readonly report: TrainReport;
  readonly startedAt: number;
  readonly trainedFrom: number;
}

export function figuresOf(recipe: Recipe, step: number, traces: StepTraces): Metrics {
  const { played, lesson, report, startedAt, trainedFrom } = traces;
  const now = performance.now();
  const stepSeconds = (now - startedAt) / 1000;
  const sampled = played.rollouts.reduce((sum, rollout) => sum + completionTokens(rollout), 0);
  const tokens = played.rollouts.reduce(
    (sum, rollout) => sum + (rollout.turns.at(-1)?.promptIds.length ?? 0),
    sampled,
  );
  return finite({
    ...lesson.metrics,
    ...environmentFigures(played),
    ...reportFigures(report),
    'actor/lr': learningRateOfStep(recipe.optimizer, step),
    'training/global_step': step,
    'training/epoch': played.epoch,
    'timing_s/rollout': played.seconds,
    'timing_s/judge': played.answerSeconds,
    'timing_s/train': (now - trainedFrom) / 1000,
    'timing_s/step': stepSeconds,
    'perf/time_per_step': stepSeconds,
    'perf/total_num_tokens': tokens,
    'perf/throughput': tokens / stepSeconds,
    'perf/sampled_tokens_per_s': sampled / played.seconds,
  });
}

/** For example `environment/form_valid/mean`. */
function environmentFigures({ rollouts }: PlayedStep): Metrics {
  const figures = outcomeFigures(rollouts.map(({ outcome }) => outcome));
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [`environment/${name}/mean`, value]),
  );
}

/** Losses are means over the optimizer steps that were taken. */
function reportFigures(report: TrainReport): Metrics {
  if (report === undefined) return {};
  const { steps, metrics, durations } = report;
  const taken = steps.filter(({ skipped }) => !skipped);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    'actor/pg_loss': mean(taken.map(({ loss }) => loss)),
    'actor/grad_norm': mean(taken.map(({ gradientNorm }) => gradientNorm)),
    'actor/skipped_steps': steps.length - taken.length,
    'actor/loss_tokens': steps.reduce((sum, { lossTokens }) => sum + lossTokens, 0),
    'self_distillation/distillation_loss': mean(taken.map(({ distillationLoss }) => distillationLoss)),
    'self_distillation/policy_loss': mean(taken.map(({ policyGradientLoss }) => policyGradientLoss)),
    ...metrics,
    ...Object.fromEntries(
      durations.map(({ phase, duration }) => [
        `timing_s/${phase}`,
        (duration?.seconds ?? 0) + (duration?.nanos ?? 0) / 1e9,
      ]),
    ),
  };
}
