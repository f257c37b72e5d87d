import type { Graph } from '../graph/graph.js';
import { gatherElements, replaceElements } from '../graph/ops/elements.js';
import { exp, negate } from '../graph/ops/elementwise.js';
import { logSoftmax } from '../graph/ops/log-softmax.js';
import { multiply } from '../graph/ops/multiply.js';
import { reduceSum } from '../graph/ops/reduce-sum.js';
import { subtract } from '../graph/ops/subtract.js';
import type { Value } from '../graph/value.js';

/** The student's next-token distributions, seen from the sampled tokens. N counts tokens, V the vocabulary. */
export interface Student {
  /** Logits divided by the temperature. Shape [N, V]. */
  readonly scaledLogits: Value;
  /** Shape [N, V]. */
  readonly logprobs: Value;
  /** Shape [N, V]. */
  readonly probabilities: Value;
  /** Shape [N, 1], int64. */
  readonly sampledIds: Value;
  /** Logprobs of the sampled tokens. Shape [N, 1]. */
  readonly sampledLogprobs: Value;
}

/** The distributions softmax(scaledLogits). Shapes [N, V], [N, 1]. */
export function studentOf(graph: Graph, scaledLogits: Value, sampledIds: Value): Student {
  const logprobs = logSoftmax(graph, scaledLogits);
  return {
    scaledLogits,
    logprobs,
    probabilities: exp(graph, logprobs),
    sampledIds,
    sampledLogprobs: gatherElements(graph, logprobs, sampledIds),
  };
}

/** Entropies of the distributions, in nats. Shape [N, 1]. */
export function entropies(graph: Graph, { probabilities, logprobs }: Student): Value {
  return negate(graph, reduceSum(graph, multiply(graph, probabilities, logprobs), [-1]));
}

/**
 * The gradient, by the scaled logits, of slope times the sampled token's logprob: slope ([y] - p). Shapes [N, 1] -> [N, V].
 */
export function sampledLogprobGradient(graph: Graph, student: Student, slope: Value): Value {
  const others = multiply(graph, student.probabilities, negate(graph, slope));
  const probability = exp(graph, student.sampledLogprobs);
  const sampled = multiply(graph, slope, subtract(graph, graph.scalar(1), probability));
  return replaceElements(graph, others, student.sampledIds, sampled);
}
