/** The algorithm's words and the contracts' words for the same things: the coordinator's one mapping between them. */
import {
  FeedbackKind,
  FeedbackVisibility,
  type Outcome as WireOutcome,
} from '@backsight/contract/environment';
import {
  Aggregation,
  type Example as WireExample,
  Granularity,
  type Objective as WireObjective,
  type Optimizer,
  type Sampling as WireSampling,
  type Support as WireSupport,
  SupportKind,
  type Teacher,
  TeacherCadence,
  TeacherKind,
} from '@backsight/contract/policy';
import type { Example, FeedbackKind as RemarkKind, Objective, Outcome, Support } from '@backsight/sdpo';
import type { Recipe } from '../recipe/recipe.js';

export const aggregations = {
  'token-mean': Aggregation.TOKEN_MEAN,
  'sequence-mean-token-mean': Aggregation.SEQUENCE_MEAN_TOKEN_MEAN,
  'sequence-mean-token-sum': Aggregation.SEQUENCE_MEAN_TOKEN_SUM,
} as const;

export const teacherKinds = {
  ema: TeacherKind.EMA,
  frozen: TeacherKind.FROZEN,
  live: TeacherKind.LIVE,
  'trust-region': TeacherKind.TRUST_REGION,
} as const;

const cadences = {
  batch: TeacherCadence.BATCH,
  step: TeacherCadence.STEP,
  hold: TeacherCadence.HOLD,
} as const;

const granularities = { logit: Granularity.LOGIT, 'sampled-token': Granularity.SAMPLED_TOKEN } as const;

const remarkKinds: Readonly<Record<FeedbackKind, RemarkKind>> = {
  [FeedbackKind.UNSPECIFIED]: 'environment',
  [FeedbackKind.ENVIRONMENT]: 'environment',
  [FeedbackKind.FORMAT]: 'format',
  [FeedbackKind.TRUNCATION]: 'truncation',
  [FeedbackKind.CRITIQUE]: 'critique',
};

export function packObjective(objective: Objective): WireObjective {
  const { distillation, policyGradient, likelihood } = objective;
  return {
    distillation: distillation && {
      weight: distillation.weight,
      alpha: distillation.alpha,
      support: packSupport(distillation.support),
      granularity: granularities[distillation.granularity],
      importanceCap: distillation.importanceCap,
    },
    policyGradient: policyGradient && { ...policyGradient, dualClip: policyGradient.dualClip },
    likelihood,
    aggregation: aggregations[objective.aggregation],
    rolloutImportanceCap: objective.rolloutImportanceCap,
    temperature: objective.temperature,
  };
}

export function packTeacher(teacher: Recipe['teacher']): Teacher | undefined {
  return (
    teacher && { kind: teacherKinds[teacher.kind], rate: teacher.rate, cadence: cadences[teacher.cadence] }
  );
}

/** The learning rate has its warm-up already applied. */
export function packOptimizer(optimizer: Recipe['optimizer'], learningRate: number): Optimizer {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = optimizer;
  return { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm };
}

/** The likelihood term learns from successes alone: nobody should grow likelier to repeat a failure. */
export function packExample(example: Example, success: boolean): WireExample {
  return { ...example, likelihoodWeight: success ? 1 : 0 };
}

export function packSampling(sampling: Recipe['sampling'], seed: number): WireSampling {
  return { ...sampling, seed, stopIds: [] };
}

export function unpackOutcome(outcome: WireOutcome): Outcome {
  return {
    reward: outcome.reward,
    solved: outcome.solved,
    truncated: outcome.truncated,
    feedback: outcome.feedback.map(({ kind, text, visibility }) => ({
      kind: remarkKinds[kind],
      text,
      visibility: visibility === FeedbackVisibility.PEOPLE ? 'people' : 'teacher',
    })),
  };
}

function packSupport(support: Support): WireSupport {
  switch (support.kind) {
    case 'full':
      return { kind: SupportKind.FULL, k: 0 };
    case 'top-k-tail':
      return { kind: SupportKind.TOP_K_TAIL, k: support.k };
    case 'top-k-renormalised':
      return { kind: SupportKind.TOP_K_RENORMALISED, k: support.k };
  }
}
