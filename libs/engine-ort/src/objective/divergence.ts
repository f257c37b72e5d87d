import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { exp, log, maximum, negate } from '../graph/ops/elementwise.js';
import { multiply, scale } from '../graph/ops/multiply.js';
import { reduceSum } from '../graph/ops/reduce-sum.js';
import { subtract } from '../graph/ops/subtract.js';
import type { Value } from '../graph/value.js';

/** Two distributions over the same buckets, as logprobs. Shapes [N, K]. */
export interface BucketLogprobs {
  readonly student: Value;
  readonly teacher: Value;
}

/** A divergence and how it moves with the student. */
export interface Divergence {
  /** Shape [N, 1]. */
  readonly loss: Value;
  /** Derivative by each bucket's student logprob, up to a multiple of its probability, which a softmax ignores. Shape [N, K]. */
  readonly slopes: Value;
}

/**
 * The divergence of every row: alpha 0 is KL(teacher||student), 1 is KL(student||teacher), between is the generalised
 * Jensen-Shannon divergence (1-alpha) KL(s||M) + alpha KL(t||M) with M = (1-alpha) s + alpha t.
 */
export function divergence(graph: Graph, alpha: number, { student, teacher }: BucketLogprobs): Divergence {
  const sum = (value: Value) => reduceSum(graph, value, [-1]);
  if (alpha === 0) {
    const t = exp(graph, teacher);
    return { loss: sum(multiply(graph, t, subtract(graph, teacher, student))), slopes: negate(graph, t) };
  }
  const s = exp(graph, student);
  if (alpha === 1) {
    const slopes = multiply(graph, s, subtract(graph, student, teacher));
    return { loss: sum(slopes), slopes };
  }
  const t = exp(graph, teacher);
  const middle = add(graph, scale(graph, s, 1 - alpha), scale(graph, t, alpha));
  // What neither side can represent weighs nothing; the floor only keeps its logarithm finite.
  const logMiddle = log(graph, maximum(graph, middle, graph.scalar(smallestProbability)));
  const slopes = scale(graph, multiply(graph, s, subtract(graph, student, logMiddle)), 1 - alpha);
  const teacherPart = scale(graph, multiply(graph, t, subtract(graph, teacher, logMiddle)), alpha);
  return { loss: sum(add(graph, slopes, teacherPart)), slopes };
}

/** About the least normal float32. */
const smallestProbability = 1e-37;
