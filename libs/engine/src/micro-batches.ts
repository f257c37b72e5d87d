import { packByTokens } from '@backsight/sdpo';

/** Items that one pass takes together, padded to one length. */
export interface MicroBatch {
  /** Indices into the lengths that were packed. */
  readonly items: readonly number[];
  /** Tokens per row after padding. */
  readonly paddedLength: number;
}

/** Rows are padded to a multiple of this, so that a run meets few different shapes. */
export const lengthBucket = 8;

/** Packs items, as `packByTokens` does, into micro-batches of at most `tokenBudget` padded tokens; their rows have bucketed lengths. */
export function packMicroBatches(lengths: readonly number[], tokenBudget: number): readonly MicroBatch[] {
  const padded = lengths.map(paddedLength);
  return packByTokens(padded, tokenBudget).map((items) => ({
    items,
    paddedLength: Math.max(...items.map((item) => padded[item] ?? 0)),
  }));
}

/** The length rounded up to a multiple of `lengthBucket`. */
export function paddedLength(length: number): number {
  return Math.ceil(length / lengthBucket) * lengthBucket;
}
