import type { Objective } from '@backsight/sdpo';
import { Graph } from '../graph/graph.js';
import { floatTensor, idTensor, Session } from '../session.js';
import { addObjective, declareTokenInput, tokenInputs, tokenOutputs } from './objective-graph.js';

/** Tokens with their logits. N counts tokens, V the vocabulary; matrices are row-major. */
export interface ObjectiveEvaluation {
  /** Its `aggregation` and `rolloutImportanceCap` are not looked at: `tokenScales` and `rolloutWeights` stand for them. */
  readonly objective: Objective;
  readonly vocabularySize: number;
  /** Shape [N, V]. */
  readonly studentLogits: Float32Array;
  /** Not looked at without distillation. Shape [N, V]. */
  readonly teacherLogits: Float32Array;
  /** Shape [N]. */
  readonly sampledIds: readonly number[];
  /** Shape [N]. */
  readonly oldLogprobs: Float32Array;
  /** Multiplies a token's loss. Shape [N]. */
  readonly rolloutWeights: Float32Array;
  /** Shape [N]. */
  readonly advantages: Float32Array;
  /** Factor of a token's losses in the whole loss, 0 where it is masked. Shape [N]. */
  readonly tokenScales: Float32Array;
}

/**
 * The objective as the training graph computes it, from logits: sum over tokens of scale times rollout weight times the
 * weighted terms, and its gradient by the student's logits. Shape [N, V].
 */
export async function evaluateObjective(
  input: ObjectiveEvaluation,
): Promise<{ readonly loss: number; readonly gradStudentLogits: Float32Array }> {
  const { objective, vocabularySize } = input;
  const tokens = input.sampledIds.length;
  const graph = new Graph();
  const studentLogits = graph.input('student_logits', 'float32', ['N', vocabularySize]);
  const teacherLogits =
    objective.distillation && graph.input('teacher_logits', 'float32', ['N', vocabularySize]);
  const { gradient, tokens: figures } = addObjective(graph, objective, {
    studentLogits,
    ...(teacherLogits && { teacherLogits }),
    token: (name) => declareTokenInput(graph, name),
  });
  graph.output('gradient', gradient);
  for (const [name, value] of figures) graph.output(name, value);
  const column = (values: Float32Array) => floatTensor(values, [tokens, 1]);
  const factors = input.tokenScales.map((scale, n) => scale * (input.rolloutWeights[n] ?? 0));
  const weighted = (weight = 0) => column(factors.map((factor) => weight * factor));
  const offered = {
    student_logits: floatTensor(input.studentLogits, [tokens, vocabularySize]),
    teacher_logits: floatTensor(input.teacherLogits, [tokens, vocabularySize]),
    [tokenInputs.sampledIds]: idTensor(input.sampledIds, [tokens, 1]),
    [tokenInputs.oldLogprobs]: column(input.oldLogprobs),
    [tokenInputs.advantages]: column(input.advantages),
    [tokenInputs.distillationScales]: weighted(objective.distillation?.weight),
    [tokenInputs.policyGradientScales]: weighted(objective.policyGradient?.weight),
    [tokenInputs.likelihoodScales]: weighted(objective.likelihood?.weight),
  };
  const session = await Session.load(graph, 1);
  try {
    const declared = new Set(graph.inputs.map(({ name }) => name));
    const outputs = await session.run(
      Object.fromEntries(Object.entries(offered).filter(([name]) => declared.has(name))),
    );
    const sum = (losses: Float32Array, weight: number) =>
      losses.reduce((total, loss, n) => total + weight * loss * (factors[n] ?? 0), 0);
    const { distillation, policyGradient, likelihood } = objective;
    const loss =
      (distillation ? sum(outputs.floats(tokenOutputs.distillationLosses), distillation.weight) : 0) +
      (policyGradient ? sum(outputs.floats(tokenOutputs.policyGradientLosses), policyGradient.weight) : 0) +
      (likelihood ? sum(outputs.floats(tokenOutputs.logprobs), -likelihood.weight) : 0);
    return { loss, gradStudentLogits: outputs.floats('gradient').slice() };
  } finally {
    await session.release();
  }
}
