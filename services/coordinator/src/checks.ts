/** Whether the rooms can do what a recipe asks: what is missing, room by room, before anything is started. */
import { ObjectiveKind } from '@backsight/contract/policy';
import type { FollowerCard } from './follower-cards.js';
import type { Recipe } from './recipe/recipe.js';
import type { EnvironmentCard, PolicyCard } from './rooms/rooms.js';
import { teacherKinds } from './rooms/wire.js';

/** What the rooms say of themselves. */
export interface RoomCards {
  readonly policy: PolicyCard;
  readonly environment: EnvironmentCard;
  /** Names of the policy's checkpoints. */
  readonly checkpoints: readonly string[];
  /** Those that answer. */
  readonly followers: readonly FollowerCard[];
}

/** One sentence per thing that is missing to train by a recipe; none when the run can start. */
export function missingToTrain(recipe: Recipe, cards: RoomCards): readonly string[] {
  return [
    ...objectives(recipe, cards.policy),
    ...examples(recipe, cards),
    ...startingPoint(recipe, cards.checkpoints),
    ...cards.followers.flatMap((follower) => following(follower, cards.policy)),
    ...missingToPlay(recipe, cards),
  ];
}

/** One sentence per thing that is missing to play a recipe's tasks. */
export function missingToPlay(
  recipe: Recipe,
  { policy, environment }: Pick<RoomCards, 'policy' | 'environment'>,
): readonly string[] {
  return [...lengths(recipe, policy), ...splits(recipe, environment)];
}

function objectives({ objective, teacher }: Recipe, policy: PolicyCard): readonly string[] {
  const { model, training, vocabularySize } = policy;
  const missing: string[] = [];
  const has = training?.objectives ?? [];
  if (objective.distillation !== undefined && !has.includes(ObjectiveKind.DISTILLATION)) {
    missing.push(`objective.distillation: the engine of ${model} cannot distil`);
  }
  if (objective.policyGradient !== undefined && !has.includes(ObjectiveKind.POLICY_GRADIENT)) {
    missing.push(`objective.policyGradient: the engine of ${model} has no policy gradient`);
  }
  if (objective.likelihood !== undefined && !has.includes(ObjectiveKind.LIKELIHOOD)) {
    missing.push(`objective.likelihood: the engine of ${model} has no likelihood objective`);
  }
  if (teacher !== undefined && !(training?.teachers ?? []).includes(teacherKinds[teacher.kind])) {
    missing.push(`teacher.kind: the engine of ${model} keeps no ${teacher.kind} teacher`);
  }
  const support = objective.distillation?.support;
  const largest = Math.min(
    vocabularySize,
    training?.maxSupport === 0 ? Infinity : (training?.maxSupport ?? 0),
  );
  if (support !== undefined && support.kind !== 'full' && support.k > largest) {
    missing.push(`objective.distillation.support.k: is ${support.k}, ${model} takes at most ${largest}`);
  }
  return missing;
}

function lengths(recipe: Recipe, { contextWindow }: PolicyCard): readonly string[] {
  const samplings = [
    ['sampling', recipe.sampling] as const,
    ['evaluation.sampling', recipe.evaluation?.sampling] as const,
  ];
  return samplings.flatMap(([key, sampling]) =>
    sampling === undefined || sampling.maxTokens < contextWindow
      ? []
      : [
          `${key}.maxTokens: is ${sampling.maxTokens}, which leaves no room for a prompt in the context window of ${contextWindow} tokens`,
        ],
  );
}

function examples(recipe: Recipe, { policy, environment }: RoomCards): readonly string[] {
  const examples = recipe.tasksPerStep * recipe.groupSize * Math.max(1, environment.maxTurns);
  const most = policy.limits?.maxExamples ?? 0;
  if (most === 0 || examples <= most) return [];
  return [
    `tasksPerStep: a step makes up to ${examples} examples (tasksPerStep x groupSize x turns), the policy takes at most ${most}`,
  ];
}

function startingPoint({ policy }: Recipe, checkpoints: readonly string[]): readonly string[] {
  if (policy.start === 'current' || policy.start === 'initial' || checkpoints.includes(policy.start))
    return [];
  const known = checkpoints.length === 0 ? 'it has none' : `it has ${checkpoints.slice(0, 8).join(', ')}`;
  return [`policy.start: the policy has no checkpoint ${policy.start}; ${known}`];
}

function following({ address, card }: FollowerCard, policy: PolicyCard): readonly string[] {
  const model = ({ architecture, vocabularySize, contextWindow }: PolicyCard): string =>
    `${architecture}, vocabulary of ${vocabularySize}, context of ${contextWindow}`;
  if ((card.training?.objectives ?? []).length > 0)
    return [`policy.followers: the policy at ${address} follows nobody; start it with --follow`];
  if (model(card) === model(policy)) return [];
  return [
    `policy.followers: the follower at ${address} has another model (${model(card)}) than the policy (${model(policy)})`,
  ];
}

function splits(recipe: Recipe, { name, splits: known }: EnvironmentCard): readonly string[] {
  const names = known.map((split) => split.name).join(', ');
  const missing = (key: string, split: string): string =>
    `${key}: the environment ${name} has no split ${split}; it has ${names}`;
  const training = known.find((split) => split.name === recipe.environment.split);
  const { evaluation } = recipe;
  return [
    ...(training === undefined ? [missing('environment.split', recipe.environment.split)] : []),
    ...(training !== undefined && training.taskCount < recipe.tasksPerStep
      ? [
          `tasksPerStep: is ${recipe.tasksPerStep}, more than the split ${training.name} has: ${training.taskCount}`,
        ]
      : []),
    ...(evaluation !== undefined && !known.some((split) => split.name === evaluation.split)
      ? [missing('evaluation.split', evaluation.split)]
      : []),
  ];
}
