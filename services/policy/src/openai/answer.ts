/** How an answer is written: whole, or chunk by chunk. */
import type { TextChoice } from './sample-texts.js';
import type { TextPiece } from './text-stream.js';

/** One kind of answer to one request. */
export interface Answer {
  /** The whole answer. */
  whole(choices: readonly TextChoice[]): object;
  /** What a stream begins with. */
  opening(): readonly object[];
  /** A piece of a choice's text. */
  piece(choice: number, piece: TextPiece, policyVersion: number): object;
  /** The end of a choice. */
  ending(choice: number, ended: TextChoice): object;
  /** What a stream ends with when usage is asked for. */
  usage(choices: readonly TextChoice[]): object;
}

/** What every answer to a request says of itself. */
export interface AnswerHeading {
  readonly id: string;
  /** In seconds since the Unix epoch. */
  readonly created: number;
  readonly model: string;
}

/** Tokens read and written; the engine reads a prompt once, however many choices it has. */
export function usageOf(promptTokens: number, choices: readonly TextChoice[]): object {
  const completionTokens = choices.reduce((sum, { sampledTokens }) => sum + sampledTokens, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** Names the weights that answered: the policy's version; several where training came between the choices. */
export function fingerprintOf(policyVersions: readonly number[]): string {
  const versions = [...new Set(policyVersions)].sort((a, b) => a - b);
  return `policy-version-${versions.join('+')}`;
}

/** JSON has no infinities: a token that cannot be drawn has this logprob, as in the API. */
export function finiteLogprob(logprob: number): number {
  return Math.max(logprob, -9999);
}
