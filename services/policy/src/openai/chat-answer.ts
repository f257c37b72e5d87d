/** Answers of POST /v1/chat/completions. */
import type { TokenLogprob } from '@backsight/engine';
import type { Renderer } from '@backsight/renderer';
import { finiteLogprob, fingerprintOf, usageOf, type Answer, type AnswerHeading } from './answer.js';
import type { TextPiece, TextToken } from './text-stream.js';

/** The answer to one request; `topLogprobs` absent: without logprobs. */
export function chatAnswer(
  heading: AnswerHeading,
  renderer: Renderer,
  request: {
    readonly n: number;
    readonly promptTokens: number;
    readonly topLogprobs: number | undefined;
    readonly withUsage: boolean;
    readonly policyVersion: number;
  },
): Answer {
  const { n, promptTokens, topLogprobs, withUsage } = request;
  const logprobs = ({ tokens }: TextPiece) =>
    topLogprobs === undefined
      ? null
      : { content: tokens.map((token) => entryOf(token, renderer)), refusal: null };
  const chunk = (choices: readonly object[], policyVersion: number) => ({
    ...heading,
    object: 'chat.completion.chunk',
    system_fingerprint: fingerprintOf([policyVersion]),
    choices,
    ...(withUsage && { usage: null }),
  });
  return {
    whole: (choices) => ({
      ...heading,
      object: 'chat.completion',
      system_fingerprint: fingerprintOf(choices.map(({ policyVersion }) => policyVersion)),
      choices: choices.map((choice, index) => ({
        index,
        message: { role: 'assistant', content: choice.text, refusal: null },
        logprobs: logprobs(choice),
        finish_reason: choice.finishReason,
        policy_version: choice.policyVersion,
      })),
      usage: usageOf(promptTokens, choices),
    }),
    opening: () =>
      Array.from({ length: n }, (_, index) => {
        const delta = { role: 'assistant', content: '', refusal: null };
        return chunk([{ index, delta, logprobs: null, finish_reason: null }], request.policyVersion);
      }),
    piece: (index, piece, policyVersion) => {
      const delta = { content: piece.text };
      return chunk([{ index, delta, logprobs: logprobs(piece), finish_reason: null }], policyVersion);
    },
    ending: (index, { finishReason, policyVersion }) =>
      chunk(
        [{ index, delta: {}, logprobs: null, finish_reason: finishReason, policy_version: policyVersion }],
        policyVersion,
      ),
    usage: (choices) => ({
      ...chunk([], Math.max(...choices.map(({ policyVersion }) => policyVersion))),
      usage: usageOf(promptTokens, choices),
    }),
  };
}

function entryOf({ tokenId, logprob, top }: TextToken, renderer: Renderer): object {
  const entry = (token: TokenLogprob) => {
    const text = renderer.decodeWithSpecial([token.tokenId]);
    return { token: text, logprob: finiteLogprob(token.logprob), bytes: bytesOf(text) };
  };
  return { ...entry({ tokenId, logprob: logprob ?? 0 }), top_logprobs: top.map(entry) };
}

/** The bytes of a token's text; null for a token that is part of a character only, whose text does not tell them. */
function bytesOf(text: string): readonly number[] | null {
  return text.includes('\uFFFD') ? null : [...Buffer.from(text, 'utf8')];
}
