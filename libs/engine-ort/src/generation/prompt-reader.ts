import { packMicroBatches } from '@backsight/engine';
import { decoding } from '../transformer/decoding-graph.js';
import type { Model } from '../transformer/model.js';
import { idTensor, int32Tensor } from '../session.js';
import { KeyValueCache } from './key-value-cache.js';

/** A prompt that has been read once, to be copied to each completion of its group. */
export interface ReadPrompt {
  readonly cache: KeyValueCache;
  /** Its row in the cache, of which the prompt's length is valid. */
  readonly row: number;
  /** Logits of the first completion token. Shape [V]. */
  readonly logits: Float32Array;
}

/** Reads prompts in batches of like length under a weight set, in their order. */
export async function readPrompts(
  model: Model,
  weights: Float32Array,
  prompts: readonly (readonly number[])[],
): Promise<readonly ReadPrompt[]> {
  const session = await model.programs.decoding();
  const read = new Map<number, ReadPrompt>();
  const lengths = prompts.map((prompt) => prompt.length);
  for (const { items, paddedLength } of packMicroBatches(lengths, model.microBatchTokens)) {
    const ids = items.flatMap((item) =>
      Array.from({ length: paddedLength }, (_, position) => prompts[item]?.[position] ?? 0),
    );
    const last = items.map((item) => (lengths[item] ?? 1) - 1);
    const cache = new KeyValueCache(model.config, items.length, paddedLength);
    const { past, present } = cache.feeds(items.length);
    const outputs = await session.run(
      {
        ...model.feeds(weights),
        ...past,
        [decoding.ids]: idTensor(ids, [items.length, paddedLength]),
        [decoding.rows]: idTensor(
          last.map((position, row) => row * paddedLength + position),
          [items.length],
        ),
        [decoding.lastPositions]: int32Tensor(last, [items.length]),
        [decoding.longest]: int32Tensor([paddedLength], [1]),
      },
      present,
    );
    const logits = outputs.floats(decoding.logits);
    const width = model.config.vocabularySize;
    items.forEach((item, row) => {
      read.set(item, { cache, row, logits: logits.slice(row * width, (row + 1) * width) });
    });
  }
  return prompts.map((_, item) => {
    const prompt = read.get(item);
    if (prompt === undefined) throw new Error(`Prompt ${item} was not read.`);
    return prompt;
  });
}
