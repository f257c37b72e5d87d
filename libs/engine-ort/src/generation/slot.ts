import { drawFromBlock, type Draw, type DrawnBlock, type SampledCompletion } from '@backsight/engine';
import { uniformOf, type Sample } from './request.js';

/** A completion in the making. */
export class Slot {
  readonly tokenIds: number[] = [];
  private readonly logprobs: number[] = [];
  private finishReason: SampledCompletion['finishReason'] | undefined;

  constructor(
    readonly sample: Sample,
    private readonly contextWindow: number,
  ) {}

  /** Draws the next token by its probabilities, shape [V], under the weights of a version. */
  draw(probabilities: Float32Array, policyVersion: number): void {
    const { request } = this.sample;
    this.take(request.sampler(probabilities, this.uniform, request.topTokens), policyVersion);
  }

  /** Draws the next token from the block that its uniform lies in, under the weights of a version. */
  drawFromBlock(block: DrawnBlock, policyVersion: number): void {
    this.take({ ...drawFromBlock(block, this.uniform), top: [] }, policyVersion);
  }

  /** What draws the next token. */
  get uniform(): number {
    return uniformOf(this.sample, this.tokenIds.length);
  }

  private take(draw: Draw, policyVersion: number): void {
    const { request, promptIds, promptIndex, sampleIndex } = this.sample;
    const { tokenId, logprob } = draw;
    this.tokenIds.push(tokenId);
    this.logprobs.push(logprob);
    const wish = request.onToken?.({ ...draw, promptIndex, sampleIndex, policyVersion });
    const length = this.tokenIds.length;
    if (request.stopIds.has(tokenId) || wish === 'end') this.finishReason = 'stop';
    else if (length >= request.maxTokens || promptIds.length + length >= this.contextWindow)
      this.finishReason = 'length';
  }

  /** The completion, once it has ended. */
  completion(policyVersion: number): SampledCompletion | undefined {
    if (this.finishReason === undefined) return undefined;
    const { promptIndex, sampleIndex } = this.sample;
    const { tokenIds, logprobs, finishReason } = this;
    return { promptIndex, sampleIndex, tokenIds, logprobs, finishReason, policyVersion };
  }

  /** The token to read next. */
  get lastToken(): number {
    const last = this.tokenIds.at(-1);
    if (last === undefined) throw new Error('Nothing has been drawn yet.');
    return last;
  }

  /** Tokens of its own whose keys and values are cached: all drawn but the last. */
  get cachedLength(): number {
    return this.tokenIds.length - 1;
  }
}
