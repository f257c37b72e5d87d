import type { SampledCompletion } from '@backsight/engine';

/** Completions on their way from the decoder, which does not wait, to the one who asked for them. */
export class CompletionStream {
  private readonly ready: SampledCompletion[] = [];
  private failure: { readonly reason: unknown } | undefined;
  private wake: (() => void) | undefined;

  push(completion: SampledCompletion): void {
    this.ready.push(completion);
    this.wake?.();
  }

  /** Ends the stream: what was pushed before is still delivered, then the reason is thrown. */
  fail(reason: unknown): void {
    this.failure ??= { reason };
    this.wake?.();
  }

  /** Waits for the next completion; one caller at a time. */
  async next(): Promise<SampledCompletion> {
    for (;;) {
      const completion = this.ready.shift();
      if (completion !== undefined) return completion;
      if (this.failure !== undefined) throw this.failure.reason;
      await new Promise<void>((wake) => {
        this.wake = wake;
      });
    }
  }
}
