/** What checks ask of a policy: samples, scores, and prompts that any vocabulary has. */
import { type Completion, type CompletionScore, type Sampling, WeightSet } from '@backsight/contract/policy';
import { random } from '@backsight/sdpo';
import { expectThat } from '../suite/check.js';
import type { PolicySubject } from './subject.js';

/** Three prompts of ids that end nothing, the same for every policy of that vocabulary. Shape [3, P]. */
export function promptsOf({ card }: Pick<PolicySubject, 'card'>): readonly (readonly number[])[] {
  return [3, 9, 5].map((length, prompt) =>
    Array.from({ length }, (_, position) => plainId(card, prompt, position)),
  );
}

/** An id that is no stop id, drawn by its place. */
function plainId(
  { vocabularySize, stopIds }: PolicySubject['card'],
  prompt: number,
  position: number,
): number {
  const first = random(0, 'conformance', prompt, position).below(vocabularySize);
  const ids = Array.from({ length: stopIds.length + 1 }, (_, step) => (first + step) % vocabularySize);
  return ids.find((id) => !stopIds.includes(id)) ?? first;
}

/** What to sample; what is absent is one prompt's worth of ordinary sampling. */
export interface Asked {
  readonly prompts?: readonly (readonly number[])[];
  readonly groupSize?: number;
  readonly sampling?: Partial<Sampling>;
}

/** Longest completion that checks ask for, in tokens, unless they say otherwise. */
export const usualTokens = 12;

/** All completions, in order of prompts and samples: each exactly once, or the promise is broken. */
export async function generate(
  subject: PolicySubject,
  { prompts = promptsOf(subject), groupSize = 1, sampling = {} }: Asked = {},
  signal: AbortSignal = subject.signal,
): Promise<readonly Completion[]> {
  const request = {
    prompts: prompts.map((tokenIds) => ({ tokenIds: [...tokenIds] })),
    groupSize,
    sampling: { temperature: 1, maxTokens: usualTokens, seed: 7, stopIds: [], ...sampling },
  };
  const byPlace = new Map<number, Completion>();
  for await (const { completion } of subject.client.generate(request, { signal })) {
    expectThat(completion !== undefined, 'Generate sends a message without a completion');
    const { promptIndex, sampleIndex } = completion;
    expectThat(
      promptIndex < prompts.length && sampleIndex < groupSize,
      `Generate sends sample ${sampleIndex} of prompt ${promptIndex}, asked for ${groupSize} of each of ${prompts.length}`,
    );
    const place = promptIndex * groupSize + sampleIndex;
    expectThat(!byPlace.has(place), `Generate sends sample ${sampleIndex} of prompt ${promptIndex} twice`);
    byPlace.set(place, completion);
  }
  const wanted = prompts.length * groupSize;
  expectThat(byPlace.size === wanted, `Generate ends after ${byPlace.size} of ${wanted} completions`);
  return [...byPlace].sort(([left], [right]) => left - right).map(([, completion]) => completion);
}

/** A completion after its prompt. */
export interface Item {
  readonly promptIds: readonly number[];
  readonly completionIds: readonly number[];
}

export interface ScoreSettings {
  readonly weights?: WeightSet;
  readonly temperature?: number;
  readonly topK?: number;
}

/** Scores of the items, in order, each of the right shape. */
export async function score(
  { client, signal }: PolicySubject,
  items: readonly Item[],
  { weights = WeightSet.STUDENT, temperature = 1, topK = 0 }: ScoreSettings = {},
): Promise<readonly CompletionScore[]> {
  const { scores } = await client.score(
    {
      items: items.map(({ promptIds, completionIds }) => ({
        promptIds: [...promptIds],
        completionIds: [...completionIds],
      })),
      weights,
      temperature,
      topK,
    },
    { signal },
  );
  expectThat(
    scores.length === items.length,
    `Score answers ${items.length} items with ${scores.length} scores`,
  );
  for (const [index, { logprobs, entropies, topIds, topLogprobs }] of scores.entries()) {
    const tokens = items[index]?.completionIds.length ?? 0;
    const shapes = [logprobs.length, entropies.length, topIds.length, topLogprobs.length];
    const wanted = [tokens, tokens, tokens * topK, tokens * topK];
    expectThat(
      shapes.join() === wanted.join(),
      `Score answers ${tokens} tokens with logprobs, entropies, top_ids and top_logprobs of lengths ${shapes.join(', ')}, wanted ${wanted.join(', ')}`,
    );
  }
  return scores;
}

/** The items that were sampled from prompts. */
export function itemsOf(
  prompts: readonly (readonly number[])[],
  completions: readonly Completion[],
): readonly Item[] {
  return completions.map(({ promptIndex, tokenIds }) => ({
    promptIds: prompts[promptIndex] ?? [],
    completionIds: tokenIds,
  }));
}

/** The logprobs of items under weights, flat: what changes when weights do. */
export async function logprobsOf(
  subject: PolicySubject,
  items: readonly Item[],
  settings: ScoreSettings = {},
): Promise<readonly number[]> {
  return (await score(subject, items, settings)).flatMap(({ logprobs }) => logprobs);
}

/** The largest difference of two lists; infinite when their lengths differ. NaN differs from everything. */
export function farthest(left: readonly number[], right: readonly number[]): number {
  if (left.length !== right.length) return Infinity;
  return left.reduce((most, value, index) => {
    const difference = Math.abs(value - (right[index] ?? NaN));
    return Number.isNaN(difference) ? Infinity : Math.max(most, difference);
  }, 0);
}
