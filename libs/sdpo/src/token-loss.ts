/**
 * The loss of one sampled token under each term of the objective, with its gradient by the student's logits.
 *
 * Throughout, z are the student's logits, p = softmax(z / temperature), y is the sampled token and [y] its one-hot vector.
 */

import { divergence, divergenceSlope } from './divergence.js';
import { cappedRatio, importanceRatio, ratioMoves } from './importance.js';
import { logSoftmax } from './log-space.js';
import { type Distillation, type PolicyGradient } from './objective.js';
import { applySupport, pullBack } from './support.js';

/** One sampled token with all that a loss may look at. */
export interface ScoredToken {
  readonly id: number;
  /** Shape [V]. */
  readonly studentLogits: readonly number[];
  /** Shape [V]; absent when nothing teaches this token. */
  readonly teacherLogits?: readonly number[];
  /** Under the weights at the start of the transaction, or as sampled where those are not recomputed. */
  readonly oldLogprob: number;
  /** Under the distribution the token was drawn from. */
  readonly sampledLogprob: number;
}

/** A loss and its gradient by the student's logits. */
export interface TokenLoss {
  readonly loss: number;
  /** Shape [V]. */
  readonly gradient: readonly number[];
}

/**
 * Distillation: the divergence of whole distributions, or its estimate from the sampled token alone, times the capped importance ratio.
 *
 * Logit granularity is a policy gradient with an advantage per vocabulary entry, log t - log s (arXiv 2601.20802, Prop. 2.1).
 * The sampled-token variant is stopgrad(log s_y - log t_y) log s_y, the REINFORCE estimate of KL(student||teacher).
 */
export function distillationLoss(
  settings: Distillation,
  temperature: number,
  token: ScoredToken,
  teacherLogits: readonly number[],
): TokenLoss {
  const student = logSoftmax(token.studentLogits, temperature);
  const teacher = logSoftmax(teacherLogits, temperature);
  const logprob = logprobAt(student, token.id);
  const ratio = cappedRatio(settings.importanceCap, logprob, token.oldLogprob);
  switch (settings.granularity) {
    case 'logit': {
      const pair = applySupport(settings.support, student, teacher);
      const gradient = pullBack(pair, (bucket) => divergenceSlope(settings.alpha, bucket));
      return {
        loss: ratio * divergence(settings.alpha, pair.buckets),
        gradient: gradient.map((slope) => (ratio * slope) / temperature),
      };
    }
    case 'sampled-token': {
      const slope = ratio * (logprob - logprobAt(teacher, token.id));
      return { loss: slope * logprob, gradient: logprobGradient(student, token.id, slope, temperature) };
    }
  }
}

/**
 * The clipped surrogate: max(-A w, -A clip(w, 1 - low, 1 + high)) with w the importance ratio.
 *
 * For a negative advantage the dual clip bounds it at -A c, so that one token grown likely by accident cannot rule the step.
 */
export function policyGradientLoss(
  settings: PolicyGradient,
  temperature: number,
  token: ScoredToken,
  advantage: number,
): TokenLoss {
  const student = logSoftmax(token.studentLogits, temperature);
  const logprob = logprobAt(student, token.id);
  const ratio = importanceRatio(logprob, token.oldLogprob);
  const clipped = Math.min(Math.max(ratio, 1 - settings.clipLow), 1 + settings.clipHigh);
  const surrogate = Math.max(-advantage * ratio, -advantage * clipped);
  const bound = advantage < 0 ? -advantage * (settings.dualClip ?? Infinity) : Infinity;
  const loss = Math.min(surrogate, bound);
  const moves = loss === -advantage * ratio && ratioMoves(logprob, token.oldLogprob);
  return {
    loss,
    gradient: logprobGradient(student, token.id, moves ? -advantage * ratio : 0, temperature),
  };
}

/** Negative log-likelihood: -log p_y, whose gradient is p - [y]. */
export function likelihoodLoss(temperature: number, token: ScoredToken): TokenLoss {
  const student = logSoftmax(token.studentLogits, temperature);
  return {
    loss: -logprobAt(student, token.id),
    gradient: logprobGradient(student, token.id, -1, temperature),
  };
}

/** The gradient of slope * log p_y by the logits: slope ([y] - p) / temperature. Shape [V]. */
function logprobGradient(
  logprobs: readonly number[],
  id: number,
  slope: number,
  temperature: number,
): readonly number[] {
  return logprobs.map((logprob, v) => (slope * ((v === id ? 1 : 0) - Math.exp(logprob))) / temperature);
}

function logprobAt(logprobs: readonly number[], id: number): number {
  const logprob = logprobs[id];
  if (logprob === undefined) {
    throw new RangeError(`token id ${id} is outside the vocabulary of ${logprobs.length}`);
  }
  return logprob;
}
