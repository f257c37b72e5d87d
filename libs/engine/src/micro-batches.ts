/** Items that one pass takes together, padded to one length. */
export interface MicroBatch {
  /** Indices into the lengths that were packed. */
  readonly items: readonly number[];
  /** Tokens per row after padding. */
  readonly paddedLength: number;
}

/** Rows are padded to a multiple of this, so that a run meets few different shapes. */
export const lengthBucket = 8;

/**
 * Packs items into micro-batches of at most `tokenBudget` padded tokens, the longest first; an item beyond the budget goes alone.
 *
 * Items of like length share a micro-batch, so padding is small. The result depends on the arguments alone.
 */
export function packMicroBatches(lengths: readonly number[], tokenBudget: number): readonly MicroBatch[] {
  const order = lengths.map((_, index) => index).sort((a, b) => at(lengths, b) - at(lengths, a) || a - b);
  const batches: { items: number[]; paddedLength: number }[] = [];
  for (const index of order) {
    const open = batches.at(-1);
    if (open !== undefined && (open.items.length + 1) * open.paddedLength <= tokenBudget)
      open.items.push(index);
    else batches.push({ items: [index], paddedLength: paddedLength(at(lengths, index)) });
  }
  return batches;
}

/** The length rounded up to a multiple of `lengthBucket`. */
export function paddedLength(length: number): number {
  return Math.ceil(length / lengthBucket) * lengthBucket;
}

function at(lengths: readonly number[], index: number): number {
  return lengths[index] ?? 0;
}
