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

/**
 * Adds the objective to a graph, declares its per-token inputs and outputs, and returns the gradient by the student's
 * logits. Shape [N, V].
 *
 * The gradients are closed forms, so nothing is differentiated here. Terms without a gradient through the teacher or the
 * importance ratio: both are weights.
 */
export function addObjective(graph: Graph, objective: ObjectiveStructure, inputs: ObjectiveInputs): Value {
  const column = (name: string) => graph.input(name, 'float32', ['N', 1]);
  const sampledIds = graph.input(tokenInputs.sampledIds, 'int64', ['N', 1]);
  const { distillation, policyGradient, likelihood, temperature } = objective;
  const student = studentOf(graph, scale(graph, inputs.studentLogits, 1 / temperature), sampledIds);
  graph.output(tokenOutputs.logprobs, student.sampledLogprobs);
  graph.output(tokenOutputs.entropies, entropies(graph, student));

  const needsRatio = policyGradient !== undefined || distillation?.importanceCap !== undefined;
  const ratio = needsRatio
    ? importance(graph, student.sampledLogprobs, column(tokenInputs.oldLogprobs))
    : undefined;
  /** Slopes by the sampled logprobs, and gradients by the scaled logits. */
  const slopes: Value[] = [];
  const gradients: Value[] = [];
  if (distillation !== undefined) {
    if (inputs.teacherLogits === undefined) throw new Error('Distillation needs teacher logits.');
    const scales = column(tokenInputs.distillationScales);
    const capped =
      ratio === undefined || distillation.importanceCap === undefined
        ? undefined
        : cappedRatio(graph, ratio, distillation.importanceCap);
    const weigh = (value: Value) => (capped === undefined ? value : multiply(graph, value, capped));
    const term = distil(graph, distillation, student, scale(graph, inputs.teacherLogits, 1 / temperature));
    graph.output(tokenOutputs.distillationLosses, weigh(term.loss));
    graph.output(tokenOutputs.teacherLogprobs, term.teacherLogprobs);
    if (term.captured !== undefined) {
      graph.output(tokenOutputs.studentCaptured, term.captured.student);
      graph.output(tokenOutputs.teacherCaptured, term.captured.teacher);
    }
    if (term.slope !== undefined) slopes.push(multiply(graph, weigh(term.slope), scales));
    if (term.gradient !== undefined) gradients.push(multiply(graph, term.gradient, weigh(scales)));
  }
  if (policyGradient !== undefined && ratio !== undefined) {
    const { loss, slope } = policyGradientLoss(graph, policyGradient, ratio, column(tokenInputs.advantages));
    graph.output(tokenOutputs.policyGradientLosses, loss);
    slopes.push(multiply(graph, slope, column(tokenInputs.policyGradientScales)));
  }
  if (likelihood !== undefined) slopes.push(negate(graph, column(tokenInputs.likelihoodScales)));

  const [firstSlope, ...moreSlopes] = slopes;
  if (firstSlope !== undefined)
    gradients.push(sampledLogprobGradient(graph, student, addAll(graph, [firstSlope, ...moreSlopes])));
  const [first, ...more] = gradients;
  if (first === undefined) throw new Error('An objective has at least one term.');
  return scale(graph, addAll(graph, [first, ...more]), 1 / temperature);
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
