/** Batches: examples shared out over optimizer steps, then packed into passes that fit the device. */

import { type Random, shuffled } from './random.js';

/**
 * Shares `count` examples out over mini-batches: shuffled, each in exactly one, sizes differing by at most one. Returns indices.
 *
 * A group is scattered on purpose: a step on one question's rollouts is lopsided, and whole groups learned more slowly
 * (models/tiny/README.md), though they would share their prompts.
 *
 * There are always `miniBatches` of them, for each is an optimizer step; with fewer examples than steps the last ones are empty.
 */
export function shareOut(count: number, miniBatches: number, stream: Random): readonly (readonly number[])[] {
  const order = shuffled([...Array(count).keys()], stream);
  return Array.from({ length: miniBatches }, (_, index) =>
    order.slice(Math.floor((index * count) / miniBatches), Math.floor(((index + 1) * count) / miniBatches)),
  );
}

/**
 * Packs sequences into micro-batches of at most `tokenBudget` tokens, padding included, longest first. Returns indices.
 *
 * A micro-batch of R rows is padded to its longest, so it costs R times that; rows of like length waste least. A sequence above
 * the budget goes alone: whether that fits is for the caller to know beforehand.
 */
export function packByTokens(
  lengths: readonly number[],
  tokenBudget: number,
): readonly (readonly number[])[] {
  const microBatches: number[][] = [];
  let rowsLeft = 0;
  for (const { length, index } of byLength(lengths)) {
    const open = microBatches.at(-1);
    if (open === undefined || rowsLeft === 0) {
      microBatches.push([index]);
      rowsLeft = Math.max(0, Math.floor(tokenBudget / Math.max(1, length)) - 1);
    } else {
      open.push(index);
      rowsLeft -= 1;
    }
  }
  return microBatches;
}

/** Longest first; equal lengths keep their order. */
function byLength(
  lengths: readonly number[],
): readonly { readonly length: number; readonly index: number }[] {
  return lengths.map((length, index) => ({ length, index })).sort((a, b) => b.length - a.length);
}
