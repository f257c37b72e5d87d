/** The fields that chat and text completions share. */
import { randomInt } from 'node:crypto';
import type { Sampling } from '@backsight/engine';
import { z } from 'zod';
import { ignored, onlyNeutral } from './parse-body.js';

/** Most alternatives told beside a token, as the API has it. */
export const maxTopLogprobs = 20;

const maxChoices = 128;
const maxStops = 64;

const stopString = z.string().min(1, 'must not be empty');

/** How to sample, how to answer, and what is accepted but does nothing. */
export const sharedFields = {
  model: z.string(),
  n: z.int().min(1).max(maxChoices).nullish(),
  temperature: z.number().min(0).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  seed: z.int().nullish(),
  stop: z
    .union(
      [stopString, z.array(stopString).max(maxStops)],
      `must be a text, or a list of at most ${maxStops}`,
    )
    .nullish(),
  stop_token_ids: z.array(z.int().min(0)).max(maxStops).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  user: ignored,
  frequency_penalty: onlyNeutral('this policy samples without penalties', 0),
  presence_penalty: onlyNeutral('this policy samples without penalties', 0),
  logit_bias: onlyNeutral('this policy samples without biases', {}),
};

/** The shared fields as they came. */
export type SharedFields = z.output<z.ZodObject<typeof sharedFields>>;

/** The engine's sampling, with the API's defaults; a request without a seed draws one. */
export function samplingOf(fields: SharedFields, maxTokens: number): Sampling {
  return {
    temperature: fields.temperature ?? 1,
    topP: fields.top_p ?? 1,
    maxTokens,
    seed: seedOf(fields.seed ?? randomInt(2 ** 47)),
    stopIds: fields.stop_token_ids ?? [],
  };
}

export function stopStringsOf({ stop }: SharedFields): readonly string[] {
  if (stop === undefined || stop === null) return [];
  return typeof stop === 'string' ? [stop] : stop;
}

/** The API's seeds may be negative, the engine's may not: -1 becomes 2^53 - 1, out of the way of those that are small. */
function seedOf(seed: number): number {
  return seed < 0 ? 2 ** 53 + seed : seed;
}
