/** Deviations: how far an implementation is from the golden loss and gradient. */

import { evaluateObjective } from '@backsight/engine-ort';
import { cappedRatio, objectiveLoss, tokenScales } from '@backsight/sdpo';
import { type GoldenCase, type GoldenCompletion } from './golden-case.js';

/** The largest differences found in one case. */
export interface Deviation {
  readonly loss: number;
  readonly gradient: number;
}

/** The absolute deviation of the specification. */
export function specDeviation(golden: GoldenCase): Deviation {
  const completions = taught(golden).map((completion) => ({
    tokens: completion.tokens.filter(({ counts }) => counts),
    advantage: completion.advantage,
  }));
  const result = objectiveLoss(
    golden.objective,
    completions.map(({ advantage, tokens }) => ({
      advantage,
      tokens: tokens.map(({ scored }) => scored),
      distillationWeight: 1,
      policyGradientWeight: 1,
      likelihoodWeight: 1,
    })),
  );
  return {
    loss: Math.abs(result.loss - golden.loss),
    // Where nothing counts the specification has no gradient, so the reference must have none.
    gradient: Math.max(
      largestDifference(
        result.gradients.flat(2),
        completions.flatMap(({ tokens }) => tokens.flatMap(({ gradient }) => gradient)),
      ),
      largestDifference(
        [],
        golden.completions.flatMap(({ tokens }) =>
          tokens.flatMap(({ counts, gradient }) => (counts ? [] : gradient)),
        ),
      ),
    ),
  };
}

/** The deviation of the onnxruntime engine's graphs, relative to the golden loss and to the largest entry of the golden gradient. */
export async function engineDeviation(golden: GoldenCase): Promise<Deviation> {
  const { objective, vocabularySize } = golden;
  const rows = golden.completions.flatMap(({ advantage, tokens }) =>
    tokens.map((token) => ({ ...token, advantage })),
  );
  const scored = rows.map((row) => row.scored);
  const { loss, gradStudentLogits } = await evaluateObjective({
    objective,
    vocabularySize,
    studentLogits: Float32Array.from(scored.flatMap(({ studentLogits }) => studentLogits)),
    teacherLogits: Float32Array.from(scored.flatMap(({ teacherLogits }) => teacherLogits ?? [])),
    sampledIds: scored.map(({ id }) => id),
    oldLogprobs: Float32Array.from(scored, ({ oldLogprob }) => oldLogprob),
    rolloutWeights: Float32Array.from(scored, ({ oldLogprob, sampledLogprob }) =>
      cappedRatio(objective.rolloutImportanceCap, oldLogprob, sampledLogprob),
    ),
    advantages: Float32Array.from(rows, ({ advantage }) => advantage),
    tokenScales: Float32Array.from(scalesOf(golden)),
  });
  const gradient = rows.flatMap((row) => row.gradient);
  return {
    loss: relative(Math.abs(loss - golden.loss), golden.loss),
    gradient: relative(largestDifference([...gradStudentLogits], gradient), largestDifference([], gradient)),
  };
}

/** The factor of every position's loss, 0 where nothing counts. Shape [B * T]. */
function scalesOf(golden: GoldenCase): readonly number[] {
  const kept = taught(golden);
  const scales = tokenScales(golden.objective.aggregation, kept.map(lossTokens));
  const scaleOf = new Map(kept.map((completion, index) => [completion, scales[index] ?? 0]));
  return golden.completions.flatMap((completion) =>
    completion.tokens.map(({ counts }) => (counts ? (scaleOf.get(completion) ?? 0) : 0)),
  );
}

/**
 * The completions of which anything counts. The reference's sequence means are over these alone, as when a step leaves out what
 * nobody teaches (`untaught: 'dropped'`); kept in a mini-batch, a masked completion would stay in the denominator.
 */
function taught(golden: GoldenCase): readonly GoldenCompletion[] {
  return golden.completions.filter((completion) => lossTokens(completion) > 0);
}

function lossTokens({ tokens }: GoldenCompletion): number {
  return tokens.filter(({ counts }) => counts).length;
}

/** The largest difference of two arrays, of which the shorter goes on with zeros. NaN when any value is. */
function largestDifference(actual: readonly number[], expected: readonly number[]): number {
  const longer = actual.length > expected.length ? actual : expected;
  return longer.reduce(
    (largest, _, index) => Math.max(largest, Math.abs((actual[index] ?? 0) - (expected[index] ?? 0))),
    0,
  );
}

function relative(difference: number, size: number): number {
  return size === 0 ? difference : difference / Math.abs(size);
}
