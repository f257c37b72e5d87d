/** Answers of POST /v1/completions. */
import type { Renderer } from '@backsight/renderer';
import { finiteLogprob, fingerprintOf, usageOf, type Answer, type AnswerHeading } from './answer.js';
import type { TextPiece, TextToken } from './text-stream.js';

/** The answer to one request; `topLogprobs` absent: without logprobs. */
export function completionAnswer(
  heading: AnswerHeading,
  renderer: Renderer,
  request: {
    readonly promptTokens: number;
    readonly topLogprobs: number | undefined;
    readonly withUsage: boolean;
  },
): Answer {
  const { promptTokens, topLogprobs, withUsage } = request;
  const logprobs = ({ tokens }: TextPiece) =>
    topLogprobs === undefined ? null : logprobsOf(tokens, topLogprobs, renderer);
  const answer = (
    choices: readonly object[],
    policyVersions: readonly number[],
    usage: object | null | undefined,
  ) => ({
    ...heading,
    object: 'text_completion',
    system_fingerprint: fingerprintOf(policyVersions),
    choices,
    ...(usage !== undefined && { usage }),
  });
  const noUsage = withUsage ? null : undefined;
  return {
    whole: (choices) =>
      answer(
        choices.map((choice, index) => ({
          index,
          text: choice.text,
          logprobs: logprobs(choice),
          finish_reason: choice.finishReason,
          policy_version: choice.policyVersion,
        })),
        choices.map(({ policyVersion }) => policyVersion),
        usageOf(promptTokens, choices),
      ),
    opening: () => [],
    piece: (index, piece, policyVersion) =>
      answer(
        [{ index, text: piece.text, logprobs: logprobs(piece), finish_reason: null }],
        [policyVersion],
        noUsage,
      ),
    ending: (index, { finishReason, policyVersion }) =>
      answer(
        [{ index, text: '', logprobs: null, finish_reason: finishReason, policy_version: policyVersion }],
        [policyVersion],
        noUsage,
      ),
    usage: (choices) =>
      answer(
        [],
        choices.map(({ policyVersion }) => policyVersion),
        usageOf(promptTokens, choices),
      ),
  };
}

/** Parallel lists, one entry per token; the sampled token stands among its alternatives. */
function logprobsOf(tokens: readonly TextToken[], topCount: number, renderer: Renderer): object {
  const text = (id: number) => renderer.decodeWithSpecial([id]);
  const alternatives = ({ tokenId, logprob, top }: TextToken) => {
    if (logprob === undefined) return null;
    const entries = new Map<string, number>();
    for (const one of [{ tokenId, logprob }, ...top]) {
      // Tokens that are parts of characters may read the same: the most likely one stands for them.
      const known = entries.get(text(one.tokenId)) ?? -Infinity;
      entries.set(text(one.tokenId), Math.max(known, finiteLogprob(one.logprob)));
    }
    return Object.fromEntries(entries);
  };
  return {
    tokens: tokens.map(({ tokenId }) => text(tokenId)),
    token_logprobs: tokens.map(({ logprob }) => (logprob === undefined ? null : finiteLogprob(logprob))),
    top_logprobs: topCount === 0 ? null : tokens.map(alternatives),
    text_offset: tokens.map(({ offset }) => offset),
  };
}
