/** Turns Generate and Score requests into the engine's, or throws INVALID_ARGUMENT with every field that is wrong. */
import * as proto from '@backsight/contract/policy';
import type { GenerateRequest, ModelCard, ScoreRequest } from '@backsight/engine';
import { invalidArgument, type Violation } from '@backsight/rpc';
import { contextViolations, idViolations, numberViolations, vocabularyViolations } from './violations.js';

/** Completions of one request, at most: as many as a policy can be set up to hold. */
const maxCompletions = 1_000_000;

/** Most likely tokens in one answer, at most: with an id and a logprob each they fill what a message may hold. */
const maxTopTokens = 2 ** 23;

/** Checks prompts and sampling against the model; a completion may fill what the prompt leaves of the context. */
export function unpackGenerate(request: proto.GenerateRequest, card: ModelCard): GenerateRequest {
  const { prompts, groupSize, sampling } = request;
  const violations: Violation[] = [
    ...(prompts.length > 0
      ? []
      : [{ field: 'prompts', description: 'must hold at least one prompt, is empty' }]),
    ...prompts.flatMap(({ tokenIds }, index) =>
      promptViolations(`prompts[${index}].token_ids`, tokenIds, card),
    ),
    ...numberViolations('group_size', groupSize, { atLeast: 1 }),
    ...completionViolations(prompts.length * groupSize),
    ...(sampling === undefined
      ? [{ field: 'sampling', description: 'must be set' }]
      : samplingViolations(sampling, card)),
  ];
  if (sampling === undefined || violations.length > 0) throw invalidArgument(violations);
  const { temperature, topP = 1, maxTokens, seed, stopIds } = sampling;
  return {
    prompts: prompts.map(({ tokenIds }) => tokenIds),
    groupSize,
    sampling: { temperature, topP, maxTokens, seed, stopIds },
  };
}

/** Checks items and settings against the model. */
export function unpackScore(request: proto.ScoreRequest, card: ModelCard): ScoreRequest {
  const { items, weights, temperature = 1, topK } = request;
  const violations = [
    ...(items.length > 0 ? [] : [{ field: 'items', description: 'must hold at least one item, is empty' }]),
    ...items.flatMap(({ promptIds, completionIds }, index) => [
      ...idViolations(`items[${index}].prompt_ids`, promptIds, card.vocabularySize),
      ...idViolations(`items[${index}].completion_ids`, completionIds, card.vocabularySize),
      ...contextViolations(`items[${index}]`, promptIds.length, completionIds.length, card.contextWindow),
    ]),
    ...numberViolations('temperature', temperature, { above: 0 }),
    ...numberViolations('top_k', topK, { atMost: card.vocabularySize }),
    ...topTokenViolations(topK, items),
  ];
  if (violations.length > 0) throw invalidArgument(violations);
  return { items, weights: weights === proto.WeightSet.TEACHER ? 'teacher' : 'student', temperature, topK };
}

function completionViolations(completions: number): readonly Violation[] {
  if (completions <= maxCompletions) return [];
  const description = `makes ${completions} completions, must make at most ${maxCompletions} in one request`;
  return [{ field: 'group_size', description }];
}

function topTokenViolations(topK: number, items: readonly proto.ScoreItem[]): readonly Violation[] {
  const tokens = items.reduce((sum, { completionIds }) => sum + completionIds.length, 0);
  if (tokens * topK <= maxTopTokens) return [];
  const description = `makes ${tokens * topK} entries for ${tokens} tokens, must make at most ${maxTopTokens}; ask for fewer items at a time`;
  return [{ field: 'top_k', description }];
}

function promptViolations(field: string, ids: readonly number[], card: ModelCard): readonly Violation[] {
  return [
    ...idViolations(field, ids, card.vocabularySize),
    // At least one token must fit after the prompt.
    ...contextViolations(field, ids.length, 1, card.contextWindow),
  ];
}

function samplingViolations(sampling: proto.Sampling, card: ModelCard): readonly Violation[] {
  const { temperature, topP, maxTokens, stopIds } = sampling;
  return [
    ...numberViolations('sampling.temperature', temperature, { atLeast: 0 }),
    ...numberViolations('sampling.top_p', topP, { above: 0, atMost: 1 }),
    ...numberViolations('sampling.max_tokens', maxTokens, { atLeast: 1 }),
    ...vocabularyViolations('sampling.stop_ids', stopIds, card.vocabularySize),
  ];
}
