import type { GenerateRequest, SampledCompletion, SampledToken } from '@backsight/engine';
import { completionKey } from './messages.js';

/**
 * Hands tokens to a listener that may end a completion, and cuts what was drawn before the engine heard of it: the thread is
 * a token or more ahead by then.
 */
export class TokenListener {
  private readonly heard = new Map<string, number>();
  /** Tokens that each ended completion keeps. */
  private readonly kept = new Map<string, number>();

  constructor(private readonly onToken: NonNullable<GenerateRequest['onToken']>) {}

  /** Returns `end` once, at the token where the listener ends the completion. */
  hear(token: SampledToken): 'go-on' | 'end' {
    const key = completionKey(token);
    if (this.kept.has(key)) return 'go-on';
    const count = (this.heard.get(key) ?? 0) + 1;
    this.heard.set(key, count);
    const answer = this.onToken(token);
    if (answer === 'end') this.kept.set(key, count);
    return answer;
  }

  /** The completion without what the listener did not want. */
  cut(completion: SampledCompletion): SampledCompletion {
    const kept = this.kept.get(completionKey(completion));
    if (kept === undefined) return completion;
    const { tokenIds, logprobs } = completion;
    return {
      ...completion,
      tokenIds: tokenIds.slice(0, kept),
      logprobs: logprobs.slice(0, kept),
      finishReason: 'stop',
    };
  }
}
