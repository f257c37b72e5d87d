/** Prompts as texts to stand before their choices, with their logprobs. */
import type { Engine } from '@backsight/engine';
import type { Renderer } from '@backsight/renderer';
import type { TextPiece } from './text-stream.js';

/**
 * The prompts with special tokens written out, so that offsets fit the tokens' texts.
 *
 * With `topTokens` they are scored: every token but the first has its logprob under the policy, at temperature 1 and
 * whole, whatever the sampling.
 */
export async function echoPrompts(
  engine: Engine,
  renderer: Renderer,
  prompts: readonly (readonly number[])[],
  topTokens: number | undefined,
  signal: AbortSignal,
): Promise<readonly TextPiece[]> {
  const texts = prompts.map((ids) => renderer.decodeWithSpecial(ids));
  if (topTokens === undefined) return texts.map((text) => ({ text, tokens: [] }));
  const scored = prompts.filter((ids) => ids.length > 1);
  const items = scored.map(([first = 0, ...rest]) => ({ promptIds: [first], completionIds: rest }));
  const request = { items, weights: 'student' as const, temperature: 1, topK: topTokens };
  const scores = scored.length === 0 ? [] : await engine.score(request, signal);
  return prompts.map((ids, prompt) => {
    const score = scores[scored.indexOf(ids)];
    let offset = 0;
    const tokens = ids.map((tokenId, position) => {
      const first = (position - 1) * topTokens;
      const ranked = position === 0 ? [] : (score?.topIds.slice(first, first + topTokens) ?? []);
      const token = {
        tokenId,
        logprob: position === 0 ? undefined : score?.logprobs[position - 1],
        top: ranked.map((id, rank) => ({
          tokenId: id,
          logprob: score?.topLogprobs[first + rank] ?? -Infinity,
        })),
        offset,
      };
      offset += renderer.decodeWithSpecial([tokenId]).length;
      return token;
    });
    return { text: texts[prompt] ?? '', tokens };
  });
}
