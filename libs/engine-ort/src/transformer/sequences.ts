import { packMicroBatches, type ModelConfig } from '@backsight/engine';
import { idTensor, type Feeds } from '../session.js';
import { sequenceInputs } from './forward.js';
import type { RunShape } from './memory-plan.js';

/** A completion after its prompt, each at least one token long. */
export interface Sequence {
  readonly promptIds: readonly number[];
  readonly completionIds: readonly number[];
}

/** Sequences that one run takes together. */
export interface SequenceBatch {
  /** Indices into the sequences that were packed. */
  readonly items: readonly number[];
  /** The completion tokens of all items, one after the other. Length N. */
  readonly completionIds: readonly number[];
  /** First of each item's tokens among the N. */
  readonly offsets: readonly number[];
  /** Ids [B, T] and the N positions whose hidden states predict the completion tokens. */
  readonly feeds: Feeds;
  /** Ids as fed, row-major. Shape [B, T]. */
  readonly paddedIds: readonly number[];
  readonly shape: RunShape;
}

/**
 * Packs sequences into batches of at most `tokenBudget` padded tokens, like lengths together; a longer one goes alone.
 *
 * The last token of a completion is predicted but never read, so a row has P + T - 1 tokens before padding.
 */
export function packSequences(sequences: readonly Sequence[], tokenBudget: number): readonly SequenceBatch[] {
  const lengths = sequences.map(rowLength);
  return packMicroBatches(lengths, tokenBudget).map(({ items, paddedLength }) => {
    const paddedIds: number[] = [];
    const rows: number[] = [];
    const completionIds: number[] = [];
    const offsets: number[] = [];
    items.forEach((item, row) => {
      const sequence = sequences[item];
      if (sequence === undefined) throw new RangeError(`There is no sequence ${item}.`);
      const { promptIds, completionIds: ids } = sequence;
      const read = [...promptIds, ...ids.slice(0, -1)];
      for (let position = 0; position < paddedLength; position++) paddedIds.push(read[position] ?? paddingId);
      offsets.push(completionIds.length);
      const first = row * paddedLength + promptIds.length - 1;
      ids.forEach((id, t) => {
        completionIds.push(id);
        rows.push(first + t);
      });
    });
    return {
      items,
      completionIds,
      offsets,
      paddedIds,
      shape: { length: paddedLength, tokens: paddedIds.length, rows: rows.length },
      feeds: {
        [sequenceInputs.ids]: idTensor(paddedIds, [items.length, paddedLength]),
        [sequenceInputs.rows]: idTensor(rows, [rows.length]),
      },
    };
  });
}

/** Tokens that a forward pass reads of a sequence. */
export function rowLength({ promptIds, completionIds }: Sequence): number {
  return promptIds.length + completionIds.length - 1;
}

/** What is wrong with a sequence of this model: an id outside the vocabulary, or more tokens than the context holds. */
export function sequenceViolation(
  { promptIds, completionIds }: Sequence,
  config: Pick<ModelConfig, 'vocabularySize' | 'contextWindow'>,
): string | undefined {
  if (promptIds.length === 0) return 'the prompt is empty';
  if (completionIds.length === 0) return 'the completion is empty';
  const total = promptIds.length + completionIds.length;
  if (total > config.contextWindow)
    return `prompt and completion have ${total} tokens, the context window holds ${config.contextWindow}`;
  const foreign = [...promptIds, ...completionIds].find((id) => !isId(id, config.vocabularySize));
  return foreign === undefined ? undefined : `${foreign} is not an id in [0, ${config.vocabularySize})`;
}

/** Whether a number is a token id. */
export function isId(id: number, vocabularySize: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < vocabularySize;
}

/** Any id serves: nothing looks at a padded position. */
const paddingId = 0;
