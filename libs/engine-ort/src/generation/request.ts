import {
  createSampler,
  drawUniform,
  type FieldViolation,
  type GenerateRequest,
  type ModelConfig,
  type SampledCompletion,
  type Sampler,
} from '@backsight/engine';
import { numberProblems, within } from '@backsight/sdpo';
import { inverseTemperature } from '../transformer/inverse-temperature.js';
import { isId } from '../transformer/sequences.js';
import type { CompletionStream } from './completion-stream.js';

/** One completion that is asked for. */
export interface Sample {
  readonly request: ActiveRequest;
  readonly promptIndex: number;
  readonly sampleIndex: number;
  readonly promptIds: readonly number[];
}

/** A request that is being answered. */
export class ActiveRequest {
  readonly sampler: Sampler;
  /** What the logits are multiplied by. */
  readonly inverseTemperature: number;
  readonly seed: number;
  /** The request's and the model's own. */
  readonly stopIds: ReadonlySet<number>;
  readonly maxTokens: number;
  readonly onToken: GenerateRequest['onToken'];
  readonly topTokens: number;
  /** Whether its tokens can be drawn from a block of the distribution alone. */
  readonly drawsFromBlock: boolean;
  /** No more completions are wanted. */
  cancelled = false;

  constructor(
    { sampling, onToken, topTokens = 0 }: GenerateRequest,
    config: ModelConfig,
    private readonly stream: CompletionStream,
  ) {
    this.sampler = createSampler(sampling);
    this.inverseTemperature = inverseTemperature(sampling.temperature);
    this.seed = sampling.seed;
    this.stopIds = new Set([...config.stopIds, ...sampling.stopIds]);
    this.maxTokens = sampling.maxTokens;
    this.onToken = onToken;
    this.topTokens = topTokens;
    this.drawsFromBlock = sampling.temperature > 0 && sampling.topP === 1 && topTokens === 0;
  }

  deliver(completion: SampledCompletion): void {
    this.stream.push(completion);
  }

  fail(reason: unknown): void {
    this.cancelled = true;
    this.stream.fail(reason);
  }
}

/** Every completion of a request: all of a prompt's before the next prompt's, so that a prompt is read once. */
export function samplesOf(
  { prompts, groupSize }: GenerateRequest,
  request: ActiveRequest,
): readonly Sample[] {
  return prompts.flatMap((ids, promptIndex) => {
    // An array of its own: by it a prompt is known that was read, at the temperature of this request.
    const promptIds = [...ids];
    return Array.from({ length: groupSize }, (_, sampleIndex) => ({
      request,
      promptIndex,
      sampleIndex,
      promptIds,
    }));
  });
}

/** The random number that draws a token: a function of seed, prompt, sample and position, never of scheduling. */
export function uniformOf({ request, promptIndex, sampleIndex }: Sample, position: number): number {
  return drawUniform(request.seed, promptIndex, sampleIndex, position);
}

/** What is wrong with a request, field by field. */
export function requestViolations(
  { prompts, groupSize, sampling, topTokens = 0 }: GenerateRequest,
  { contextWindow, vocabularySize }: ModelConfig,
): readonly FieldViolation[] {
  const numbers = [
    ...numberProblems('group_size', groupSize, { atLeast: 1, whole: true }),
    ...numberProblems('top_tokens', topTokens, { atLeast: 0, atMost: vocabularySize, whole: true }),
    ...within('sampling', [
      ...numberProblems('temperature', sampling.temperature, { atLeast: 0 }),
      ...numberProblems('top_p', sampling.topP, { above: 0, atMost: 1 }),
      ...numberProblems('max_tokens', sampling.maxTokens, { atLeast: 1, whole: true }),
      ...numberProblems('seed', sampling.seed, { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER, whole: true }),
    ]),
  ].map(({ field, problem }) => ({ field, description: problem }));
  const foreign = (ids: readonly number[]) => ids.find((id) => !isId(id, vocabularySize));
  const stop = foreign(sampling.stopIds);
  const notAnId = (id: number) => `${id} is not an id in [0, ${vocabularySize})`;
  const inPrompts = prompts.flatMap((ids, i): readonly FieldViolation[] => {
    const field = `prompts[${i}].token_ids`;
    const id = foreign(ids);
    if (ids.length === 0) return [{ field, description: 'is empty' }];
    if (ids.length >= contextWindow)
      return [
        {
          field,
          description: `has ${ids.length} tokens, which leaves no room in the context window of ${contextWindow}`,
        },
      ];
    return id === undefined ? [] : [{ field, description: notAnId(id) }];
  });
  return [
    ...numbers,
    ...(stop === undefined ? [] : [{ field: 'sampling.stop_ids', description: notAnId(stop) }]),
    ...(prompts.length === 0 ? [{ field: 'prompts', description: 'are missing' }] : []),
    ...inPrompts,
  ];
}
