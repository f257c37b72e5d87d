/**
 * The divergence between a student's and a teacher's distribution, with its slope.
 *
 * Projects name the directions of the KL divergence oppositely. Here the name is the formula:
 *
 *   alpha = 0      KL(teacher||student) = sum_b t_b (log t_b - log s_b)       covers all that the teacher might say
 *   alpha = 1      KL(student||teacher) = sum_b s_b (log s_b - log t_b)       avoids what the teacher would not say
 *   0 < alpha < 1  (1-alpha) KL(s||M) + alpha KL(t||M), M = (1-alpha) s + alpha t       generalised Jensen-Shannon
 *
 * The ends are special cases, not limits: the Jensen-Shannon divergence tends to 0 there. At alpha 0.5 it is bounded by log 2.
 */

import { logAddExp } from './log-space.js';

/** One outcome of a distribution (a token, or the tail of all the rest) on both sides, as logprobs. */
export interface Bucket {
  readonly student: number;
  readonly teacher: number;
}

/** The divergence over buckets, in nats; 0 when both sides are equal, never below. `alpha` is in [0, 1]. */
export function divergence(alpha: number, buckets: readonly Bucket[]): number {
  return buckets.reduce((sum, bucket) => sum + divergenceTerm(alpha, bucket), 0);
}

/** The derivative of the divergence by the bucket's student logprob, the teacher and the other buckets held fixed. */
export function divergenceSlope(alpha: number, { student, teacher }: Bucket): number {
  if (alpha === 0) return -Math.exp(teacher);
  if (alpha === 1) return times(Math.exp(student), student - teacher + 1);
  return (1 - alpha) * times(Math.exp(student), student - mixture(alpha, student, teacher));
}

function divergenceTerm(alpha: number, { student, teacher }: Bucket): number {
  if (alpha === 0) return relativeEntropy(teacher, student);
  if (alpha === 1) return relativeEntropy(student, teacher);
  const middle = mixture(alpha, student, teacher);
  return (1 - alpha) * relativeEntropy(student, middle) + alpha * relativeEntropy(teacher, middle);
}

/** log M, where M = (1 - alpha) s + alpha t. */
function mixture(alpha: number, student: number, teacher: number): number {
  return logAddExp(student + Math.log(1 - alpha), teacher + Math.log(alpha));
}

/** p (log p - log q), from logprobs. */
function relativeEntropy(logP: number, logQ: number): number {
  return times(Math.exp(logP), logP - logQ);
}

/** What has no probability costs nothing, however unlikely the other side finds it. */
function times(probability: number, logRatio: number): number {
  return probability === 0 ? 0 : probability * logRatio;
}
