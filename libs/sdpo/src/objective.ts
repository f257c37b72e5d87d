/** The objective: which losses a training step minimises, and how token losses become one number. */

import { numberProblems, type Problem, within } from './problem.js';

/** A weighted sum of losses over the completion tokens of a mini-batch. A term that is left out costs nothing. */
export interface Objective {
  readonly distillation?: Distillation;
  readonly policyGradient?: PolicyGradient;
  readonly likelihood?: Likelihood;
  readonly aggregation: Aggregation;
  /** Cap of min(exp(old logprob - sampled logprob), cap), which multiplies every token's loss. Absent: no such weight. */
  readonly rolloutImportanceCap?: number;
  /** Divides student and teacher logits; in (0, inf). */
  readonly temperature: number;
}

/** Self-distillation from the teacher's next-token distribution (arXiv 2601.20802, Eq. 1). */
export interface Distillation {
  readonly weight: number;
  /** 0: KL(teacher||student), 1: KL(student||teacher), between: generalised Jensen-Shannon divergence. */
  readonly alpha: number;
  readonly support: Support;
  /** `sampled-token` is the REINFORCE estimate of KL(student||teacher) and needs alpha 1. */
  readonly granularity: 'logit' | 'sampled-token';
  /** Cap of the importance ratio exp(logprob - old logprob) that multiplies a token's loss. Absent: no ratio. */
  readonly importanceCap?: number;
}

/** Over which tokens a divergence sums; the top K are the student's. */
export type Support =
  | { readonly kind: 'full' }
  | { readonly kind: 'top-k-tail'; readonly k: number }
  | { readonly kind: 'top-k-renormalised'; readonly k: number };

/** The clipped surrogate on per-example advantages (GRPO, asymmetric and dual clip). */
export interface PolicyGradient {
  readonly weight: number;
  /** The ratio is clipped below at 1 - clipLow. */
  readonly clipLow: number;
  /** The ratio is clipped above at 1 + clipHigh. */
  readonly clipHigh: number;
  /** Bounds the loss of a negative advantage at this multiple of it. Absent: unbounded. */
  readonly dualClip?: number;
}

/** Negative log-likelihood of the completion. */
export interface Likelihood {
  readonly weight: number;
}

/** How token losses become one number. */
export type Aggregation = 'token-mean' | 'sequence-mean-token-mean' | 'sequence-mean-token-sum';

/** What is wrong with an objective; empty when nothing is. */
export function objectiveProblems(objective: Objective): readonly Problem[] {
  const { distillation, policyGradient, likelihood } = objective;
  const terms = [distillation, policyGradient, likelihood].filter((term) => term !== undefined);
  return [
    ...(terms.some(({ weight }) => weight !== 0) ? [] : [nothingToMinimise]),
    ...(distillation === undefined ? [] : within('distillation', distillationProblems(distillation))),
    ...(policyGradient === undefined ? [] : within('policyGradient', policyGradientProblems(policyGradient))),
    ...(likelihood === undefined ? [] : within('likelihood', weightProblems(likelihood.weight))),
    ...numberProblems('rolloutImportanceCap', objective.rolloutImportanceCap, { above: 0 }),
    ...numberProblems('temperature', objective.temperature, { above: 0 }),
  ];
}

const nothingToMinimise: Problem = {
  field: 'objective',
  problem: 'must give distillation, policyGradient or likelihood a weight above 0, gives none',
};

function distillationProblems(distillation: Distillation): readonly Problem[] {
  const { weight, alpha, support, granularity, importanceCap } = distillation;
  const mismatched = granularity === 'sampled-token' && alpha !== 1;
  return [
    ...weightProblems(weight),
    ...numberProblems('alpha', alpha, { atLeast: 0, atMost: 1 }),
    ...(mismatched
      ? [{ field: 'alpha', problem: `must be 1 with granularity sampled-token, is ${alpha}` }]
      : []),
    ...(support.kind === 'full' ? [] : numberProblems('support.k', support.k, { atLeast: 1, whole: true })),
    ...numberProblems('importanceCap', importanceCap, { above: 0 }),
  ];
}

function policyGradientProblems(policyGradient: PolicyGradient): readonly Problem[] {
  return [
    ...weightProblems(policyGradient.weight),
    ...numberProblems('clipLow', policyGradient.clipLow, { atLeast: 0, atMost: 1 }),
    ...numberProblems('clipHigh', policyGradient.clipHigh, { atLeast: 0 }),
    ...numberProblems('dualClip', policyGradient.dualClip, { above: 1 }),
  ];
}

function weightProblems(weight: number): readonly Problem[] {
  return numberProblems('weight', weight, { atLeast: 0 });
}
