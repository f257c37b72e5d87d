import { importanceRatio, type Objective, type PolicyGradient } from '@backsight/sdpo';
import { tokenOutputs } from '../objective/objective-graph.js';
import type { Outputs } from '../session.js';
import type { Means } from './means.js';
import { isDistilled, type ScaledExample } from './prepare.js';

/** The terms of a mini-batch's loss, aggregated, before the objective's weights. */
export interface TermLosses {
  distillation: number;
  policyGradient: number;
  likelihood: number;
}

/** Figures that only training knows, by their established names; each is a mean over tokens. */
export const tokenMetrics = {
  entropy: 'actor/entropy',
  approximateKl: 'actor/ppo_kl',
  clipped: 'actor/pg_clipfrac',
  clippedLower: 'actor/pg_clipfrac_lower',
  teacherStudentLogRatio: 'self_distillation/teacher_student_log_ratio_mean',
  teacherFavours: 'self_distillation/teacher_student_log_ratio_positive_fraction',
  importanceCapHit: 'self_distillation/importance_cap_hit_fraction',
  studentCaptured: 'self_distillation/student_top_k_mass',
  teacherCaptured: 'self_distillation/teacher_top_k_mass',
  samplingDifference: 'sampling/logprob_abs_diff_mean',
} as const;

/** Adds the tokens of one training run, in the order of its examples, to the losses and the means. */
export function addTokens(run: {
  readonly objective: Objective;
  readonly outputs: Outputs;
  readonly examples: readonly ScaledExample[];
  /** The weights are still those that sampled, so logprobs as sampled and as computed can be compared. */
  readonly compareSampling: boolean;
  readonly losses: TermLosses;
  readonly means: Means;
}): void {
  const { objective, examples, losses, means } = run;
  const { distillation, policyGradient, likelihood } = objective;
  const read = columns(objective, run.outputs);
  let n = 0;
  for (const { example, tokenScale, oldLogprobs, rolloutWeights } of examples) {
    const distilled = isDistilled(objective, example);
    for (let t = 0; t < example.completionIds.length; t++, n++) {
      const logprob = read.logprobs(n);
      const logRatio = logprob - (oldLogprobs[t] ?? 0);
      const factor = tokenScale * (rolloutWeights[t] ?? 1);
      means.add(tokenMetrics.entropy, read.entropies(n));
      if (distillation && distilled) {
        losses.distillation += factor * example.distillationWeight * read.distillation(n);
        const teacherLogRatio = read.teacher(n) - logprob;
        means.add(tokenMetrics.teacherStudentLogRatio, teacherLogRatio);
        means.add(tokenMetrics.teacherFavours, Number(teacherLogRatio > 0));
        const cap = distillation.importanceCap;
        if (cap !== undefined) means.add(tokenMetrics.importanceCapHit, Number(logRatio >= Math.log(cap)));
        if (read.captured) {
          means.add(tokenMetrics.studentCaptured, read.captured.student(n));
          means.add(tokenMetrics.teacherCaptured, read.captured.teacher(n));
        }
      }
      if (policyGradient) {
        losses.policyGradient += factor * example.policyGradientWeight * read.policyGradient(n);
        addClipping(means, policyGradient, example.advantage, logRatio);
      }
      if (likelihood) losses.likelihood -= factor * example.likelihoodWeight * logprob;
      const sampled = example.completionLogprobs[t];
      if (run.compareSampling && sampled !== undefined)
        means.add(tokenMetrics.samplingDifference, Math.abs(logprob - sampled));
    }
  }
}

/** The outputs of a run as functions of the token's index. */
function columns({ distillation, policyGradient }: Objective, outputs: Outputs) {
  const column = (name: string, present = true) => {
    const values = present ? outputs.floats(name) : new Float32Array();
    return (n: number) => values[n] ?? Number.NaN;
  };
  const hasSupport = distillation?.granularity === 'logit' && distillation.support.kind !== 'full';
  return {
    logprobs: column(tokenOutputs.logprobs),
    entropies: column(tokenOutputs.entropies),
    distillation: column(tokenOutputs.distillationLosses, distillation !== undefined),
    teacher: column(tokenOutputs.teacherLogprobs, distillation !== undefined),
    policyGradient: column(tokenOutputs.policyGradientLosses, policyGradient !== undefined),
    captured: hasSupport && {
      student: column(tokenOutputs.studentCaptured),
      teacher: column(tokenOutputs.teacherCaptured),
    },
  };
}

function addClipping(means: Means, settings: PolicyGradient, advantage: number, logRatio: number): void {
  const { clipLow, clipHigh, dualClip = Infinity } = settings;
  const ratio = importanceRatio(logRatio, 0);
  const clipped = Math.min(Math.max(ratio, 1 - clipLow), 1 + clipHigh);
  const surrogate = Math.max(-advantage * ratio, -advantage * clipped);
  means.add(tokenMetrics.approximateKl, -logRatio);
  means.add(tokenMetrics.clipped, Number(-advantage * clipped > -advantage * ratio));
  means.add(tokenMetrics.clippedLower, Number(advantage < 0 && surrogate > -advantage * dualClip));
}
