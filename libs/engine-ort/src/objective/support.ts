import type { Support } from '@backsight/sdpo';
import type { Graph } from '../graph/graph.js';
import { gatherElements, replaceElements } from '../graph/ops/elements.js';
import { divide, exp, less, log, maximum, where } from '../graph/ops/elementwise.js';
import { logSoftmax } from '../graph/ops/log-softmax.js';
import { multiply } from '../graph/ops/multiply.js';
import { concat, split } from '../graph/ops/parts.js';
import { reduceSum } from '../graph/ops/reduce-sum.js';
import { subtract } from '../graph/ops/subtract.js';
import { topK } from '../graph/ops/top-k.js';
import { zerosLike } from '../graph/ops/zeros-like.js';
import { staticDimension, type Value } from '../graph/value.js';
import { divergence } from './divergence.js';
import type { Student } from './student.js';

/** The divergence of student and teacher over a support, with its closed-form gradient. */
export interface SupportedDivergence {
  /** Shape [N, 1]. */
  readonly loss: Value;
  /** By the student's scaled logits: share of the bucket's slope, less probability times the sum of slopes. Shape [N, V]. */
  readonly gradient: Value;
  /** Probability that the student and the teacher give to the top K; absent for the full vocabulary. Shapes [N, 1]. */
  readonly captured?: { readonly student: Value; readonly teacher: Value };
}

/** What a divergence compares: the student and the teacher's scaled logits. Shape [N, V]. */
export interface Pair {
  readonly student: Student;
  readonly teacherLogits: Value;
}

export function supportedDivergence(
  graph: Graph,
  support: Support,
  alpha: number,
  pair: Pair,
): SupportedDivergence {
  switch (support.kind) {
    case 'full':
      return fullDivergence(graph, alpha, pair);
    case 'top-k-tail':
      return tailDivergence(graph, support.k, alpha, pair);
    case 'top-k-renormalised':
      return renormalisedDivergence(graph, support.k, alpha, pair);
  }
}

function fullDivergence(graph: Graph, alpha: number, { student, teacherLogits }: Pair): SupportedDivergence {
  const buckets = { student: student.logprobs, teacher: logSoftmax(graph, teacherLogits) };
  const { loss, slopes } = divergence(graph, alpha, buckets);
  const share = multiply(graph, student.probabilities, reduceSum(graph, slopes, [-1]));
  return { loss, gradient: subtract(graph, slopes, share) };
}

/** The student's top K and one bucket for all the rest (arXiv 2601.20802, Eq. 11). */
function tailDivergence(
  graph: Graph,
  k: number,
  alpha: number,
  { student, teacherLogits }: Pair,
): SupportedDivergence {
  const { indices, k: kept } = studentTop(graph, student, k);
  const studentSide = headAndTail(graph, student.logprobs, student.probabilities, indices);
  const teacherLogprobs = logSoftmax(graph, teacherLogits);
  const teacherSide = headAndTail(graph, teacherLogprobs, exp(graph, teacherLogprobs), indices);
  const { loss, slopes } = divergence(graph, alpha, {
    student: studentSide.logprobs,
    teacher: teacherSide.logprobs,
  });

  const [headSlopes, tailSlope] = split(graph, slopes, -1, [kept, 1]);
  if (headSlopes === undefined || tailSlope === undefined) throw new Error('A split has two parts.');
  // A tail that is held at its floor is a constant: its tokens move nothing but the normaliser.
  const held = less(graph, studentSide.tail, graph.scalar(smallestTail));
  const moving = where(graph, held, graph.scalar(0), tailSlope);
  const total = reduceSum(graph, concat(graph, [headSlopes, moving], -1), [-1]);
  const tail = maximum(graph, studentSide.tail, graph.scalar(smallestTail));
  const others = multiply(graph, student.probabilities, subtract(graph, divide(graph, moving, tail), total));
  const headProbabilities = exp(graph, studentSide.head);
  const head = subtract(graph, headSlopes, multiply(graph, headProbabilities, total));
  return {
    loss,
    gradient: replaceElements(graph, others, indices, head),
    captured: { student: sumOfExp(graph, studentSide.head), teacher: sumOfExp(graph, teacherSide.head) },
  };
}

/** The student's top K, both sides renormalised over them. */
function renormalisedDivergence(
  graph: Graph,
  k: number,
  alpha: number,
  { student, teacherLogits }: Pair,
): SupportedDivergence {
  const { values, indices } = studentTop(graph, student, k);
  const studentHead = logSoftmax(graph, values);
  const teacherHead = logSoftmax(graph, gatherElements(graph, teacherLogits, indices));
  const { loss, slopes } = divergence(graph, alpha, { student: studentHead, teacher: teacherHead });
  const total = reduceSum(graph, slopes, [-1]);
  const head = subtract(graph, slopes, multiply(graph, exp(graph, studentHead), total));
  const teacherLogprobs = logSoftmax(graph, teacherLogits);
  return {
    loss,
    gradient: replaceElements(graph, zerosLike(graph, student.logprobs), indices, head),
    captured: {
      student: sumOfExp(graph, gatherElements(graph, student.logprobs, indices)),
      teacher: sumOfExp(graph, gatherElements(graph, teacherLogprobs, indices)),
    },
  };
}

/** The student's K most likely tokens; K is at most the vocabulary. */
function studentTop(graph: Graph, student: Student, k: number) {
  const kept = Math.min(k, staticDimension(student.logprobs, -1));
  return { ...topK(graph, student.scaledLogits, kept), k: kept };
}

/** Logprobs of the K tokens and of all the rest together. Shape [N, K + 1]. */
function headAndTail(graph: Graph, logprobs: Value, probabilities: Value, indices: Value) {
  const head = gatherElements(graph, logprobs, indices);
  // Summing what is left keeps the digits that 1 - sum(head) would lose.
  const rest = replaceElements(graph, probabilities, indices, zerosLike(graph, head));
  const tail = reduceSum(graph, rest, [-1]);
  const logTail = log(graph, maximum(graph, tail, graph.scalar(smallestTail)));
  return { head, tail, logprobs: concat(graph, [head, logTail], -1) };
}

function sumOfExp(graph: Graph, logprobs: Value): Value {
  return reduceSum(graph, exp(graph, logprobs), [-1]);
}

/** The tail keeps at least this probability, so that its logprob is finite when K reaches the vocabulary. */
const smallestTail = 1e-7;
