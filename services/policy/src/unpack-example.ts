/** Turns an example of a TrainStep into the engine's, with every field that is wrong. */
import type * as proto from '@backsight/contract/policy';
import type { ModelCard, TrainExample } from '@backsight/engine';
import type { Violation } from '@backsight/rpc';
import type { Objective } from '@backsight/sdpo';
import { contextViolations, idViolations, numberViolations, vocabularyViolations } from './violations.js';

/** Checks an example against the model and the objective; `field` is its path, for example `examples[3]`. */
export function unpackExample(
  message: proto.Example,
  field: string,
  objective: Objective,
  card: ModelCard,
): { readonly example: TrainExample; readonly violations: readonly Violation[] } {
  const { studentPromptIds, teacherPromptIds, completionIds, completionLogprobs, advantage, rolloutId } =
    message;
  const { distillationWeight = 1, policyGradientWeight = 1, likelihoodWeight = 1 } = message;
  const { vocabularySize, contextWindow } = card;
  const at = (name: string) => `${field}.${name}`;
  const violations = [
    ...idViolations(at('student_prompt_ids'), studentPromptIds, vocabularySize),
    ...vocabularyViolations(at('teacher_prompt_ids'), teacherPromptIds, vocabularySize),
    ...idViolations(at('completion_ids'), completionIds, vocabularySize),
    ...contextViolations(
      at('student_prompt_ids'),
      studentPromptIds.length,
      completionIds.length,
      contextWindow,
    ),
    ...contextViolations(
      at('teacher_prompt_ids'),
      teacherPromptIds.length,
      completionIds.length,
      contextWindow,
    ),
    ...logprobViolations(at('completion_logprobs'), message, neededBy(objective)),
    ...numberViolations(at('advantage'), advantage, {}),
    ...numberViolations(at('distillation_weight'), distillationWeight, { atLeast: 0 }),
    ...numberViolations(at('policy_gradient_weight'), policyGradientWeight, { atLeast: 0 }),
    ...numberViolations(at('likelihood_weight'), likelihoodWeight, { atLeast: 0 }),
  ];
  return {
    example: {
      studentPromptIds,
      teacherPromptIds,
      completionIds,
      completionLogprobs,
      advantage,
      distillationWeight,
      policyGradientWeight,
      likelihoodWeight,
      rolloutId,
    },
    violations: violations.map((violation) => withRollout(violation, rolloutId)),
  };
}

function withRollout({ field, description }: Violation, rolloutId: string): Violation {
  return { field, description: rolloutId === '' ? description : `${description} (rollout ${rolloutId})` };
}

/** The first setting of an objective that reads the sampled logprobs. */
function neededBy({ distillation, policyGradient, rolloutImportanceCap }: Objective): string | undefined {
  if (policyGradient !== undefined) return 'objective.policy_gradient';
  if (distillation?.importanceCap !== undefined) return 'objective.distillation.importance_cap';
  return rolloutImportanceCap === undefined ? undefined : 'objective.rollout_importance_cap';
}

function logprobViolations(
  field: string,
  { completionIds, completionLogprobs }: proto.Example,
  needed: string | undefined,
): readonly Violation[] {
  const [expected, found] = [completionIds.length, completionLogprobs.length];
  if (found === 0 && needed === undefined) return [];
  if (found !== expected) {
    const why = found === 0 && needed !== undefined ? `; plan.${needed} needs them` : '';
    return [
      { field, description: `must be one per completion token, are ${found} for ${expected} tokens${why}` },
    ];
  }
  const position = completionLogprobs.findIndex((logprob) => !Number.isFinite(logprob) || logprob > 0);
  if (position < 0) return [];
  return [
    {
      field,
      description: `must be at most 0 and finite, is ${completionLogprobs[position] ?? 0} at position ${position}`,
    },
  ];
}
