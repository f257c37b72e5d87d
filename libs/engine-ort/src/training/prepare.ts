import type { TrainExample } from '@backsight/engine';
import { cappedRatio, carriesLoss, tokenScales, type Objective } from '@backsight/sdpo';

/** An example with what the transaction found out about it before the first step. */
export interface PreparedExample {
  readonly example: TrainExample;
  /** Some term moves the weights for it; others are counted and not computed. */
  readonly contributes: boolean;
  /** The teacher has something to say about it. */
  readonly taught: boolean;
  /** Shape [T]; zeros where no term needs them. */
  readonly oldLogprobs: readonly number[];
  /** Shape [T]; ones without a cap. */
  readonly rolloutWeights: readonly number[];
}

/** An example in its mini-batch. */
export interface ScaledExample extends PreparedExample {
  /** Factor of its token losses in the mini-batch's loss. */
  readonly tokenScale: number;
}

/** Whether any term of the objective moves the weights for this example. */
export function contributes(objective: Objective, example: TrainExample): boolean {
  return (
    isDistilled(objective, example) ||
    (objective.policyGradient !== undefined && example.policyGradientWeight * example.advantage !== 0) ||
    (objective.likelihood !== undefined && example.likelihoodWeight !== 0)
  );
}

/** Whether the teacher's distributions are needed for this example. */
export function isDistilled(objective: Objective, example: TrainExample): boolean {
  return objective.distillation !== undefined && isTaught(example) && example.distillationWeight !== 0;
}

/** Adds old logprobs and rollout weights. `recomputed` are logprobs under the weights at the start; absent: the sampled ones stand. */
export function prepareExample(
  objective: Objective,
  example: TrainExample,
  recomputed: readonly number[] | undefined,
): PreparedExample {
  const { completionIds, completionLogprobs } = example;
  const oldLogprobs =
    recomputed ?? (completionLogprobs.length > 0 ? completionLogprobs : completionIds.map(() => 0));
  const cap = objective.rolloutImportanceCap;
  return {
    example,
    contributes: contributes(objective, example),
    taught: isTaught(example),
    oldLogprobs,
    rolloutWeights: oldLogprobs.map((old, t) => cappedRatio(cap, old, completionLogprobs[t] ?? old)),
  };
}

/** Gives each example of a mini-batch its factor; those that carry no loss count as the aggregation says. */
export function scaleExamples(
  objective: Objective,
  examples: readonly PreparedExample[],
): readonly ScaledExample[] {
  const scales = tokenScales(
    objective.aggregation,
    examples.map((prepared) => lossTokens(objective, prepared)),
  );
  return examples.map((prepared, i) => ({ ...prepared, tokenScale: scales[i] ?? 0 }));
}

/** Completion tokens of an example that carry a loss. */
export function lossTokens(objective: Objective, { example, taught }: PreparedExample): number {
  return carriesLoss(objective, taught) ? example.completionIds.length : 0;
}

function isTaught(example: TrainExample): boolean {
  return example.teacherPromptIds.length > 0;
}
