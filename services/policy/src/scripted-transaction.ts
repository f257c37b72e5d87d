/** A training transaction that a scripted policy takes, message by message, for tests. */
import * as proto from '@backsight/contract/policy';
import type { TrainExample, TrainPlan } from '@backsight/engine';

/** A plan with nothing set that has a default. */
export const plan = {
  expectedVersion: 5,
  objective: {
    distillation: { weight: 1, alpha: 0.5, support: { kind: proto.SupportKind.TOP_K_TAIL, k: 20 } },
  },
  teacher: { kind: proto.TeacherKind.EMA, rate: 0.05 },
  optimizer: { learningRate: 1e-3 },
};

/** What the engine is handed for that plan: the contract's defaults stand where nothing is set. */
export const plannedForEngine: TrainPlan = {
  expectedVersion: 5,
  objective: {
    distillation: {
      weight: 1,
      alpha: 0.5,
      support: { kind: 'top-k-tail', k: 20 },
      granularity: 'logit',
    },
    aggregation: 'token-mean',
    temperature: 1,
  },
  teacher: { kind: 'ema', rate: 0.05, cadence: 'batch' },
  optimizer: { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  miniBatches: 1,
  shuffleSeed: 0,
};

const example = { studentPromptIds: [1, 3], teacherPromptIds: [1, 4, 3], completionIds: [9, 2] };

/** What the engine is handed for an example. */
export const exampleForEngine: TrainExample = {
  ...example,
  completionLogprobs: [],
  advantage: 0,
  distillationWeight: 1,
  policyGradientWeight: 1,
  likelihoodWeight: 1,
  rolloutId: '',
};

export const planMessage = (change: object = {}) => ({
  payload: { $case: 'plan' as const, value: { ...plan, ...change } },
});

export const exampleMessage = (change: object = {}) => ({
  payload: { $case: 'example' as const, value: { ...example, ...change } },
});

export const commitMessage = { payload: { $case: 'commit' as const, value: {} } };

/** The messages of a caller who closes the stream after the last of them. */
export async function* streamOf(...messages: readonly object[]): AsyncGenerator<proto.TrainStepRequest> {
  for (const message of messages) yield await Promise.resolve(proto.TrainStepRequest.fromPartial(message));
}
