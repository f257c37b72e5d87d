/** Whole next-token distributions, read off Score's top-K with K the whole vocabulary. */
import { expectSet, expectThat } from '../suite/check.js';
import { type Item, score, type ScoreSettings } from './ask.js';
import type { PolicySubject } from './subject.js';

/** Logprobs of every token of the vocabulary at every position: they serve as logits. Shape [B, T, V]. */
export async function denseLogprobs(
  subject: PolicySubject,
  items: readonly Item[],
  settings: Omit<ScoreSettings, 'topK'> = {},
): Promise<readonly (readonly (readonly number[])[])[]> {
  const { vocabularySize } = subject.card;
  const dense: (readonly (readonly number[])[])[] = [];
  // One item at a time: with a large vocabulary a message is large.
  for (const item of items) {
    const [scored] = await score(subject, [item], { ...settings, topK: vocabularySize });
    const { topIds, topLogprobs } = expectSet(scored, 'Score answers one item with no score');
    dense.push(
      item.completionIds.map((_, position) => {
        const row = position * vocabularySize;
        const logprobs = Array.from({ length: vocabularySize }, () => NaN);
        for (let rank = 0; rank < vocabularySize; rank += 1)
          logprobs[topIds[row + rank] ?? -1] = topLogprobs[row + rank] ?? NaN;
        const missing = logprobs.findIndex((logprob) => Number.isNaN(logprob));
        expectThat(
          missing === -1 && logprobs.length === vocabularySize,
          `Score with top_k ${vocabularySize} gives position ${position} no logprob of id ${missing}`,
        );
        return logprobs;
      }),
    );
  }
  return dense;
}
