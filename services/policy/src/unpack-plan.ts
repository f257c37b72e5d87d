/** Turns a plan into the engine's, or throws INVALID_ARGUMENT with every field that is wrong. */
import * as proto from '@backsight/contract/policy';
import type { ModelCard, OptimizerSettings, TeacherSettings, TrainPlan } from '@backsight/engine';
import { invalidArgument, type Violation } from '@backsight/rpc';
import {
  objectiveProblems,
  type Aggregation,
  type Distillation,
  type Objective,
  type Support,
} from '@backsight/sdpo';
import { numberViolations, protoField } from './violations.js';

/** Reads a plan; what is unset takes the default that the contract names. */
export function unpackPlan(plan: proto.TrainPlan, card: ModelCard): TrainPlan {
  const { expectedVersion, miniBatches = 1, shuffleSeed } = plan;
  const objective =
    plan.objective === undefined ? missing('plan.objective') : unpackObjective(plan.objective, card);
  const distils = plan.objective?.distillation !== undefined;
  const teacher = plan.teacher === undefined ? absentTeacher(distils) : unpackTeacher(plan.teacher);
  const optimizer =
    plan.optimizer === undefined ? missing('plan.optimizer') : unpackOptimizer(plan.optimizer);
  const violations = [
    ...numberViolations('plan.expected_version', expectedVersion, { atLeast: 0 }),
    ...numberViolations('plan.mini_batches', miniBatches, { atLeast: 1 }),
    ...objective.violations,
    ...teacher.violations,
    ...optimizer.violations,
  ];
  if (
    violations.length > 0 ||
    objective.value === undefined ||
    teacher.value === undefined ||
    optimizer.value === undefined
  )
    throw invalidArgument(violations);
  return {
    expectedVersion,
    objective: objective.value,
    teacher: teacher.value,
    optimizer: optimizer.value,
    miniBatches,
    shuffleSeed,
  };
}

/** A part of the plan, absent when it cannot even be read. */
interface Unpacked<T> {
  readonly value?: T;
  readonly violations: readonly Violation[];
}

const missing = (field: string): Unpacked<never> => ({ violations: [{ field, description: 'must be set' }] });

function unpackObjective(message: proto.Objective, card: ModelCard): Unpacked<Objective> {
  const { policyGradient, likelihood, rolloutImportanceCap, temperature = 1 } = message;
  const distillation =
    message.distillation === undefined ? undefined : unpackDistillation(message.distillation, card);
  const objective: Objective = {
    ...(distillation?.value === undefined ? {} : { distillation: distillation.value }),
    ...(policyGradient === undefined ? {} : { policyGradient: withoutUnset(policyGradient) }),
    ...(likelihood === undefined ? {} : { likelihood }),
    aggregation: aggregations[message.aggregation],
    ...(rolloutImportanceCap === undefined ? {} : { rolloutImportanceCap }),
    temperature,
  };
  const violations = objectiveProblems(objective)
    // A distillation that cannot be read is a violation of its own, not a term left out.
    .filter(({ field }) => field !== 'objective' || message.distillation === undefined)
    .map(({ field, problem }) => ({
      field: field === 'objective' ? 'plan.objective' : `plan.objective.${protoField(field)}`,
      description: problem,
    }));
  return { value: objective, violations: [...(distillation?.violations ?? []), ...violations] };
}

function unpackDistillation(message: proto.Distillation, card: ModelCard): Unpacked<Distillation> {
  const { weight, alpha, importanceCap } = message;
  const support = message.support === undefined ? undefined : unpackSupport(message.support);
  const field = 'plan.objective.distillation.support';
  if (support === undefined) return { violations: [{ field: `${field}.kind`, description: 'must be set' }] };
  return {
    value: {
      weight,
      alpha,
      support,
      granularity: message.granularity === proto.Granularity.SAMPLED_TOKEN ? 'sampled-token' : 'logit',
      ...(importanceCap === undefined ? {} : { importanceCap }),
    },
    violations:
      support.kind === 'full'
        ? []
        : numberViolations(`${field}.k`, support.k, { atMost: card.vocabularySize }),
  };
}

function unpackSupport({ kind, k }: proto.Support): Support | undefined {
  switch (kind) {
    case proto.SupportKind.UNSPECIFIED:
      return undefined;
    case proto.SupportKind.FULL:
      return { kind: 'full' };
    case proto.SupportKind.TOP_K_TAIL:
      return { kind: 'top-k-tail', k };
    case proto.SupportKind.TOP_K_RENORMALISED:
      return { kind: 'top-k-renormalised', k };
  }
}

function withoutUnset({ weight, clipLow, clipHigh, dualClip }: proto.PolicyGradient) {
  return { weight, clipLow, clipHigh, ...(dualClip === undefined ? {} : { dualClip }) };
}

const aggregations: Readonly<Record<proto.Aggregation, Aggregation>> = {
  [proto.Aggregation.UNSPECIFIED]: 'token-mean',
  [proto.Aggregation.TOKEN_MEAN]: 'token-mean',
  [proto.Aggregation.SEQUENCE_MEAN_TOKEN_MEAN]: 'sequence-mean-token-mean',
  [proto.Aggregation.SEQUENCE_MEAN_TOKEN_SUM]: 'sequence-mean-token-sum',
};

const teacherKinds: Readonly<Record<proto.TeacherKind, TeacherSettings['kind'] | undefined>> = {
  [proto.TeacherKind.UNSPECIFIED]: undefined,
  [proto.TeacherKind.EMA]: 'ema',
  [proto.TeacherKind.FROZEN]: 'frozen',
  [proto.TeacherKind.LIVE]: 'live',
  [proto.TeacherKind.TRUST_REGION]: 'trust-region',
};

const cadences: Readonly<Record<proto.TeacherCadence, TeacherSettings['cadence']>> = {
  [proto.TeacherCadence.UNSPECIFIED]: 'batch',
  [proto.TeacherCadence.BATCH]: 'batch',
  [proto.TeacherCadence.STEP]: 'step',
  [proto.TeacherCadence.HOLD]: 'hold',
};

function unpackTeacher({ kind: message, rate, cadence }: proto.Teacher): Unpacked<TeacherSettings> {
  const kind = teacherKinds[message];
  if (kind === undefined) return missing('plan.teacher.kind');
  return {
    value: { kind, rate, cadence: cadences[cadence] },
    violations: numberViolations('plan.teacher.rate', rate, { atLeast: 0, atMost: 1 }),
  };
}

/** Nobody teaches: the teacher stays as it is. */
function absentTeacher(distils: boolean): Unpacked<TeacherSettings> {
  return distils
    ? missing('plan.teacher')
    : { value: { kind: 'ema', rate: 0, cadence: 'hold' }, violations: [] };
}

function unpackOptimizer(message: proto.Optimizer): Unpacked<OptimizerSettings> {
  const {
    learningRate,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weightDecay = 0,
    maxGradientNorm,
  } = message;
  const field = (name: string) => `plan.optimizer.${name}`;
  return {
    value: {
      learningRate,
      beta1,
      beta2,
      epsilon,
      weightDecay,
      ...(maxGradientNorm === undefined ? {} : { maxGradientNorm }),
    },
    violations: [
      ...numberViolations(field('learning_rate'), learningRate, { atLeast: 0 }),
      ...decayViolations(field('beta1'), beta1),
      ...decayViolations(field('beta2'), beta2),
      ...numberViolations(field('epsilon'), epsilon, { above: 0 }),
      ...numberViolations(field('weight_decay'), weightDecay, { atLeast: 0 }),
      ...numberViolations(field('max_gradient_norm'), maxGradientNorm, { above: 0 }),
    ],
  };
}

function decayViolations(field: string, value: number): readonly Violation[] {
  if (value >= 0 && value < 1) return [];
  return [{ field, description: `must be a number in [0, 1), is ${value}` }];
}
