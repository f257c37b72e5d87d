import { EngineInputError, type GenerateRequest, type SampledCompletion } from '@backsight/engine';
import type { Model } from '../transformer/model.js';
import type { PolicyWeights } from '../training/policy-weights.js';
import type { WeightsGate } from '../weights-gate.js';
import { CompletionStream } from './completion-stream.js';
import { Decoder } from './decoder.js';
import { ActiveRequest, requestViolations, samplesOf } from './request.js';
import { SampleQueue } from './sample-queue.js';

/** Answers generate requests: they share the decoder's slots in turns, and a slot that falls free is filled at once. */
export class Generator {
  private readonly waiting = new SampleQueue();
  private readonly decoder: Decoder;
  private readonly active = new Set<ActiveRequest>();
  private loop: Promise<void> | undefined;

  constructor(
    private readonly model: Model,
    private readonly policy: PolicyWeights,
    private readonly gate: WeightsGate,
    slots: number,
  ) {
    this.decoder = new Decoder(model, slots);
  }

  /** Yields each completion as it ends. Aborting, or leaving the iteration, frees the request's slots before the next token. */
  async *generate(
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<SampledCompletion, void, void> {
    const violations = requestViolations(request, this.model.config);
    if (violations.length > 0) throw new EngineInputError(violations);
    signal.throwIfAborted();
    const stream = new CompletionStream();
    const active = new ActiveRequest(request, this.model.config, stream);
    const abort = () => {
      active.fail(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    this.active.add(active);
    try {
      const samples = samplesOf(request, active);
      this.waiting.add(active, samples);
      this.wake();
      for (let left = samples.length; left > 0; left--) {
        const completion = await stream.next();
        signal.throwIfAborted();
        yield completion;
      }
    } finally {
      active.cancelled = true;
      this.active.delete(active);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Fails all requests and waits for the decoder to stop. */
  async close(reason: Error): Promise<void> {
    this.failAll(reason);
    await this.loop;
  }

  private wake(): void {
    this.loop ??= this.run().finally(() => {
      this.loop = undefined;
      // A request may have come while the loop was ending.
      if (this.waiting.size > 0) this.wake();
    });
  }

  private async run(): Promise<void> {
    try {
      while (this.waiting.size > 0) await this.gate.read(() => this.decode());
    } catch (error) {
      this.failAll(error);
    }
  }

  /**
   * Decodes until nothing runs and either nothing waits or a writer does.
   *
   * A completion is drawn from one version of the weights from its first token to its last: when a writer waits, nothing new
   * starts, and the gate is left once what runs has ended.
   */
  private async decode(): Promise<void> {
    const { policy, decoder } = this;
    const weights = policy.student.flat;
    decoder.forgetPrompts([]);
    for (;;) {
      decoder.dropCancelled();
      this.waiting.dropCancelled();
      if (!this.gate.writerWaits && decoder.free > 0 && this.waiting.size > 0) {
        await decoder.start(weights, policy.version, this.waiting.take(decoder.free));
        decoder.forgetPrompts(this.waiting);
      } else if (decoder.running === 0) return;
      if (decoder.running > 0) await decoder.step(weights, policy.version);
    }
  }

  private failAll(reason: unknown): void {
    this.waiting.clear();
    this.decoder.clear();
    for (const request of this.active) request.fail(reason);
  }
}
