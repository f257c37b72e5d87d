import type { FieldViolation, ModelConfig, TrainExample, TrainPlan } from '@backsight/engine';
import { numberProblems, objectiveProblems, within, type Problem } from '@backsight/sdpo';
import { sequenceViolation } from '../transformer/sequences.js';

/** What is wrong with a plan for so many examples, field by field. */
export function planViolations(plan: TrainPlan, examples: number): readonly FieldViolation[] {
  const { objective, optimizer, teacher, miniBatches } = plan;
  const optimizerProblems = [
    ...numberProblems('learningRate', optimizer.learningRate, { atLeast: 0 }),
    ...numberProblems('beta1', optimizer.beta1, { atLeast: 0, atMost: 1 - Number.EPSILON }),
    ...numberProblems('beta2', optimizer.beta2, { atLeast: 0, atMost: 1 - Number.EPSILON }),
    ...numberProblems('epsilon', optimizer.epsilon, { above: 0 }),
    ...numberProblems('weightDecay', optimizer.weightDecay, { atLeast: 0 }),
    ...numberProblems('maxGradientNorm', optimizer.maxGradientNorm, { above: 0 }),
  ];
  const problems: readonly Problem[] = [
    ...within('objective', objectiveProblems(objective)),
    ...within('teacher', numberProblems('rate', teacher.rate, { atLeast: 0, atMost: 1 })),
    ...within('optimizer', optimizerProblems),
    ...numberProblems('miniBatches', miniBatches, { atLeast: 1, whole: true }),
    ...numberProblems('shuffleSeed', plan.shuffleSeed, { atLeast: 0, whole: true }),
  ];
  const violations = within('plan', problems).map(({ field, problem }) => ({
    field: wireName(field),
    description: problem,
  }));
  return examples > 0 ? violations : [...violations, { field: 'examples', description: 'are missing' }];
}

/** What is wrong with examples under a plan's objective, example by example and field by field. */
export function exampleViolations(
  { objective }: TrainPlan,
  examples: readonly TrainExample[],
  config: ModelConfig,
): readonly FieldViolation[] {
  const needsLogprobs =
    objective.policyGradient !== undefined ||
    objective.distillation?.importanceCap !== undefined ||
    objective.rolloutImportanceCap !== undefined;
  return examples.flatMap((example, i) => {
    const { studentPromptIds, teacherPromptIds, completionIds, completionLogprobs: logprobs } = example;
    const found: FieldViolation[] = [];
    const report = (field: string, description: string | undefined) => {
      if (description === undefined) return;
      const rollout = example.rolloutId === '' ? '' : ` (rollout ${example.rolloutId})`;
      found.push({ field: `examples[${i}].${wireName(field)}`, description: description + rollout });
    };
    report('studentPromptIds', sequenceViolation({ promptIds: studentPromptIds, completionIds }, config));
    if (objective.distillation !== undefined && teacherPromptIds.length > 0)
      report('teacherPromptIds', sequenceViolation({ promptIds: teacherPromptIds, completionIds }, config));
    if (logprobs.length !== completionIds.length && (needsLogprobs || logprobs.length > 0))
      report('completionLogprobs', `has ${logprobs.length} logprobs for ${completionIds.length} tokens`);
    const wrong = logprobs.find((logprob) => !(logprob <= 0));
    if (wrong !== undefined) report('completionLogprobs', `${wrong} is not the logarithm of a probability`);
    for (const field of [
      'advantage',
      'distillationWeight',
      'policyGradientWeight',
      'likelihoodWeight',
    ] as const)
      report(field, numberProblems(field, example[field], {})[0]?.problem);
    return found;
  });
}

/** A field as the contract spells it. */
function wireName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
