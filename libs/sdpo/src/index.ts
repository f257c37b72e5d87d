/** SDPO as pure functions: what the teacher may know, what examples are made of it, and what they cost. */

// What happened.
export { type Feedback, type FeedbackKind, type FeedbackVisibility } from './rollout.js';
export { type Group, groupRollouts, type Message, type Outcome, type Rollout } from './rollout.js';

// What the teacher may know, and what becomes of it.
export {
  chooseHindsight,
  type Demonstration,
  type Hindsight,
  hindsightDefaults,
  type HindsightOptions,
  hindsightProblems,
  isSuccess,
  type NoHindsight,
  removeThinking,
  teacherFeedback,
} from './hindsight.js';
export {
  neutralWording,
  type RenderPrompt,
  type Reprompt,
  reprompt,
  retell,
  type Wording,
} from './reprompt.js';
export { type AdvantageKind, groupAdvantages } from './advantage.js';
export { questionWeights, type QuestionWeighting } from './question-weight.js';
export {
  buildExamples,
  type Example,
  exampleDefaults,
  type ExampleOptions,
  exampleProblems,
  type ExampleRequest,
  type ExampleSet,
  type Masked,
  type MaskReason,
  type Taught,
  type Teaching,
} from './example.js';

// What a step minimises.
export {
  type Aggregation,
  type Distillation,
  type Likelihood,
  type Objective,
  objectiveProblems,
  type PolicyGradient,
  type Support,
} from './objective.js';
export { type Bucket, divergence, divergenceSlope } from './divergence.js';
export { applySupport, pullBack, type SupportedPair, type TokenShare, topIds } from './support.js';
export { cappedRatio, importanceRatio } from './importance.js';
export {
  distillationLoss,
  likelihoodLoss,
  policyGradientLoss,
  type ScoredToken,
  type TokenLoss,
} from './token-loss.js';
export { carriesLoss, tokenScales } from './aggregation.js';
export { objectiveLoss, type ObjectiveLoss, type ScoredCompletion } from './loss.js';
export { logAddExp, logOneMinusExp, logSoftmax, logSumExp } from './log-space.js';

// How a run goes.
export { packByTokens, shareOut } from './batch.js';
export { type Curriculum, curriculumProblems, type StepTasks, tasksOfStep } from './curriculum.js';
export { learningRateOfStep, learningRateProblems, type LearningRateSchedule } from './learning-rate.js';
export { type OptimizerPreset, type Preset, type PresetName, presets, type TeacherPreset } from './preset.js';
export { random, type Random, type Seed, shuffled } from './random.js';
export { type Bounds, numberProblems, type Problem, within } from './problem.js';

// How it went.
export { type Metrics, stepMetrics } from './metrics.js';
export { type LogprobPair, rolloutCorrectionMetrics } from './rollout-correction.js';
export { repeatedShare } from './repetition.js';
export { passAtK } from './pass-at-k.js';
export { guardDefaults, type GuardOptions, type Warning, type WarningCode, warningsOf } from './guard.js';
