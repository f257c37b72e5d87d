/** The loss of a mini-batch: the specification that every engine is held to. Float64, one token at a time, nothing clever. */

import { carriesLoss, tokenScales } from './aggregation.js';
import { cappedRatio } from './importance.js';
import { type Objective } from './objective.js';
import {
  distillationLoss,
  likelihoodLoss,
  policyGradientLoss,
  type ScoredToken,
  type TokenLoss,
} from './token-loss.js';

/** A completion whose tokens have been scored by student and teacher. */
export interface ScoredCompletion {
  /** The tokens the policy wrote, and no others. Shape [T]. */
  readonly tokens: readonly ScoredToken[];
  readonly advantage: number;
  /** Multiplies the distillation loss. */
  readonly distillationWeight: number;
  /** Multiplies the policy-gradient loss. */
  readonly policyGradientWeight: number;
  /** Multiplies the likelihood loss. */
  readonly likelihoodWeight: number;
}

/** What a mini-batch costs, and the way up. */
export interface ObjectiveLoss {
  /** The weighted sum of the terms. */
  readonly loss: number;
  /** Each term, aggregated, before its weight in the objective; 0 when the objective lacks it. */
  readonly distillationLoss: number;
  readonly policyGradientLoss: number;
  readonly likelihoodLoss: number;
  /** Gradient of `loss` by the student's logits. Shape [B, T, V]. */
  readonly gradients: readonly (readonly (readonly number[])[])[];
}

/** The loss of a mini-batch and its gradient by the student's logits. */
export function objectiveLoss(objective: Objective, completions: readonly ScoredCompletion[]): ObjectiveLoss {
  const scales = tokenScales(
    objective.aggregation,
    completions.map(({ tokens }) => tokens.filter((token) => isLossToken(objective, token)).length),
  );
  const terms = completions.map((completion, index) =>
    completion.tokens.map((token) => tokenTerms(objective, completion, token, scales[index] ?? 0)),
  );
  const everyTerm = terms.flat(2);
  return {
    loss: everyTerm.reduce((sum, term) => sum + term.weight * term.loss, 0),
    distillationLoss: sumOf(everyTerm, 'distillation'),
    policyGradientLoss: sumOf(everyTerm, 'policy-gradient'),
    likelihoodLoss: sumOf(everyTerm, 'likelihood'),
    gradients: completions.map(({ tokens }, b) =>
      tokens.map(({ studentLogits }, t) => gradientOf(terms[b]?.[t] ?? [], studentLogits.length)),
    ),
  };
}

/** One term of the objective at one token, scaled to its share of the mini-batch's loss. */
interface Term extends TokenLoss {
  readonly kind: 'distillation' | 'policy-gradient' | 'likelihood';
  /** In the objective. */
  readonly weight: number;
}

function tokenTerms(
  objective: Objective,
  completion: ScoredCompletion,
  token: ScoredToken,
  tokenScale: number,
): readonly Term[] {
  const { distillation, policyGradient, likelihood, temperature } = objective;
  const scale =
    tokenScale * cappedRatio(objective.rolloutImportanceCap, token.oldLogprob, token.sampledLogprob);
  const terms: Term[] = [];
  if (distillation !== undefined && token.teacherLogits !== undefined) {
    const value = distillationLoss(distillation, temperature, token, token.teacherLogits);
    const scaled = times(scale * completion.distillationWeight, value);
    terms.push({ kind: 'distillation', weight: distillation.weight, ...scaled });
  }
  if (policyGradient !== undefined) {
    const value = policyGradientLoss(policyGradient, temperature, token, completion.advantage);
    const scaled = times(scale * completion.policyGradientWeight, value);
    terms.push({ kind: 'policy-gradient', weight: policyGradient.weight, ...scaled });
  }
  if (likelihood !== undefined) {
    const scaled = times(scale * completion.likelihoodWeight, likelihoodLoss(temperature, token));
    terms.push({ kind: 'likelihood', weight: likelihood.weight, ...scaled });
  }
  return terms;
}

function isLossToken(objective: Objective, token: ScoredToken): boolean {
  return carriesLoss(objective, token.teacherLogits !== undefined);
}

function times(scale: number, { loss, gradient }: TokenLoss): TokenLoss {
  return { loss: scale * loss, gradient: gradient.map((slope) => scale * slope) };
}

function sumOf(terms: readonly Term[], kind: Term['kind']): number {
  return terms.reduce((sum, term) => (term.kind === kind ? sum + term.loss : sum), 0);
}

function gradientOf(terms: readonly Term[], vocabularySize: number): readonly number[] {
  return Array.from({ length: vocabularySize }, (_, v) =>
    terms.reduce((sum, { weight, gradient }) => sum + weight * (gradient[v] ?? 0), 0),
  );
}
