/** The objective: which losses a training step minimises, and how token losses become one number. */

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
