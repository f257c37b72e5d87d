import type { Distillation, Objective } from '@backsight/sdpo';
import type { Graph } from '../graph/graph.js';
import { addAll } from '../graph/ops/add.js';
import { gatherElements } from '../graph/ops/elements.js';
import { negate } from '../graph/ops/elementwise.js';
import { logSoftmax } from '../graph/ops/log-softmax.js';
import { multiply, scale } from '../graph/ops/multiply.js';
import { subtract } from '../graph/ops/subtract.js';
import type { Value } from '../graph/value.js';
import { cappedRatio, importance } from './importance.js';
import { policyGradientLoss } from './policy-gradient.js';
import { entropies, sampledLogprobGradient, studentOf, type Student } from './student.js';
import { supportedDivergence, type SupportedDivergence } from './support.js';

/** What of an objective is built into a graph; weights, aggregation and the rollout weight arrive as scales. */
export type ObjectiveStructure = Pick<
  Objective,
  'distillation' | 'policyGradient' | 'likelihood' | 'temperature'
>;

/** What the objective reads. N counts tokens, V the vocabulary. */
export interface ObjectiveInputs {
  /** Shape [N, V]. */
  readonly studentLogits: Value;
  /** Needed by distillation. Shape [N, V]. */
  readonly teacherLogits?: Value;
  /** The value of one of `tokenInputNames`. Shape [N, 1]. */
  readonly token: (name: string) => Value;
}

/** What the objective computes. */
export interface ObjectiveResult {
  /** By the student's logits. Shape [N, V]. */
  readonly gradient: Value;
  /** By the names of `tokenOutputs`. Shape [N, 1]. */
  readonly tokens: ReadonlyMap<string, Value>;
}

/** Names of the graph inputs that carry one number per token. Shape [N, 1]; `sampledIds` is int64, the rest are float32. */
export const tokenInputs = {
  sampledIds: 'sampled_ids',
  oldLogprobs: 'old_logprobs',
  advantages: 'advantages',
  /** Factors of each term's token losses in the mini-batch's loss. */
  distillationScales: 'distillation_scales',
  policyGradientScales: 'policy_gradient_scales',
  likelihoodScales: 'likelihood_scales',
} as const;

/** Names of the graph outputs that carry one number per token. Shape [N, 1]; a term's are there when the objective has it. */
export const tokenOutputs = {
  logprobs: 'logprobs',
  entropies: 'entropies',
  /** Token losses before any scale. */
  distillationLosses: 'distillation_losses',
  policyGradientLosses: 'policy_gradient_losses',
  teacherLogprobs: 'teacher_logprobs',
  /** Probability of the top K, where the support has one. */
  studentCaptured: 'student_captured',
  teacherCaptured: 'teacher_captured',
} as const;

/** The token inputs that an objective reads. */
export function tokenInputNames({
  distillation,
  policyGradient,
  likelihood,
}: ObjectiveStructure): readonly string[] {
  const needsRatio = policyGradient !== undefined || distillation?.importanceCap !== undefined;
  return [
    tokenInputs.sampledIds,
    ...(needsRatio ? [tokenInputs.oldLogprobs] : []),
    ...(distillation ? [tokenInputs.distillationScales] : []),
    ...(policyGradient ? [tokenInputs.advantages, tokenInputs.policyGradientScales] : []),
    ...(likelihood ? [tokenInputs.likelihoodScales] : []),
  ];
}

/** Declares a token input. Shape [N, 1]. */
export function declareTokenInput(graph: Graph, name: string): Value {
  return graph.input(name, name === tokenInputs.sampledIds ? 'int64' : 'float32', ['N', 1]);
}

/**
 * Adds the objective to a graph.
 *
 * The gradient is a closed form, so nothing is differentiated here. None goes through the teacher or an importance ratio:
 * both are weights.
 */
export function addObjective(
  graph: Graph,
  objective: ObjectiveStructure,
  inputs: ObjectiveInputs,
): ObjectiveResult {
  const { distillation, policyGradient, likelihood, temperature } = objective;
  const { token } = inputs;
  const scaledLogits = scale(graph, inputs.studentLogits, 1 / temperature);
  const student = studentOf(graph, scaledLogits, token(tokenInputs.sampledIds));
  const tokens = new Map<string, Value>([
    [tokenOutputs.logprobs, student.sampledLogprobs],
    [tokenOutputs.entropies, entropies(graph, student)],
  ]);
  const ratio = tokenInputNames(objective).includes(tokenInputs.oldLogprobs)
    ? importance(graph, student.sampledLogprobs, token(tokenInputs.oldLogprobs))
    : undefined;
  /** Slopes by the sampled logprobs, and gradients by the scaled logits. */
  const slopes: Value[] = [];
  const gradients: Value[] = [];
  if (distillation !== undefined) {
    if (inputs.teacherLogits === undefined) throw new Error('Distillation needs teacher logits.');
    const capped =
      ratio === undefined || distillation.importanceCap === undefined
        ? undefined
        : cappedRatio(graph, ratio, distillation.importanceCap);
    const weigh = (value: Value) => (capped === undefined ? value : multiply(graph, value, capped));
    const term = distil(graph, distillation, student, scale(graph, inputs.teacherLogits, 1 / temperature));
    tokens.set(tokenOutputs.distillationLosses, weigh(term.loss));
    tokens.set(tokenOutputs.teacherLogprobs, term.teacherLogprobs);
    if (term.captured !== undefined) {
      tokens.set(tokenOutputs.studentCaptured, term.captured.student);
      tokens.set(tokenOutputs.teacherCaptured, term.captured.teacher);
    }
    const scales = token(tokenInputs.distillationScales);
    if (term.slope !== undefined) slopes.push(multiply(graph, weigh(term.slope), scales));
    if (term.gradient !== undefined) gradients.push(multiply(graph, term.gradient, weigh(scales)));
  }
  if (policyGradient !== undefined && ratio !== undefined) {
    const advantages = token(tokenInputs.advantages);
    const { loss, slope } = policyGradientLoss(graph, policyGradient, ratio, advantages);
    tokens.set(tokenOutputs.policyGradientLosses, loss);
    slopes.push(multiply(graph, slope, token(tokenInputs.policyGradientScales)));
  }
  if (likelihood !== undefined) slopes.push(negate(graph, token(tokenInputs.likelihoodScales)));

  const [firstSlope, ...moreSlopes] = slopes;
  if (firstSlope !== undefined)
    gradients.push(sampledLogprobGradient(graph, student, addAll(graph, [firstSlope, ...moreSlopes])));
  const [first, ...more] = gradients;
  if (first === undefined) throw new Error('An objective has at least one term.');
  return { gradient: scale(graph, addAll(graph, [first, ...more]), 1 / temperature), tokens };
}

/** The distillation loss of every token with its gradient by the scaled logits or its slope by the sampled logprob. */
interface DistillationTerm extends Partial<Pick<SupportedDivergence, 'gradient' | 'captured'>> {
  readonly loss: Value;
  readonly slope?: Value;
  /** Of the sampled tokens. Shape [N, 1]. */
  readonly teacherLogprobs: Value;
}

function distil(
  graph: Graph,
  { granularity, support, alpha }: Distillation,
  student: Student,
  teacherLogits: Value,
): DistillationTerm {
  const teacherLogprobs = gatherElements(graph, logSoftmax(graph, teacherLogits), student.sampledIds);
  switch (granularity) {
    case 'logit':
      return { ...supportedDivergence(graph, support, alpha, { student, teacherLogits }), teacherLogprobs };
    case 'sampled-token': {
      // The REINFORCE estimate of KL(student||teacher): the log-ratio is a weight, its product with log s_y the loss.
      const slope = subtract(graph, student.sampledLogprobs, teacherLogprobs);
      return { loss: multiply(graph, slope, student.sampledLogprobs), slope, teacherLogprobs };
    }
  }
}
