/** The judge: a queue, a sandbox, a cache, one run for twins, and one more try when a sandbox fails. */
import { type Logger, isAbort } from '@backsight/rpc';
import {
  type RunEnding,
  type CompileError,
  type Sandbox,
  SandboxFailure,
  type SandboxJob,
} from '../sandbox/sandbox.js';
import type { JudgeMetrics } from './judge-metrics.js';
import { judgeSubmission } from './judge-submission.js';
import type { Queue, WaitOptions } from './queue.js';
import type { Judgement, Submission } from './submission.js';
import { SharedRuns } from './shared-runs.js';
import { isRepeatable, submissionKey, type VerdictCache } from './verdict-cache.js';

/** What a judge is made of. */
export interface JudgeParts {
  readonly sandbox: Sandbox;
  /** Of the sandbox's capacity. */
  readonly queue: Queue;
  readonly cache: VerdictCache;
  readonly metrics: JudgeMetrics;
  readonly logger: Logger;
}

/** A judgement and how it came about. */
export interface Answer {
  readonly judgement: Judgement;
  /** Milliseconds. */
  readonly queueMs: number;
  /** Milliseconds. */
  readonly runMs: number;
  /** From an identical submission that came before it. */
  readonly cached: boolean;
}

/** How one program, run once, ended. */
export type Execution =
  | { readonly kind: 'ran'; readonly ending: RunEnding }
  | { readonly kind: 'compile-error'; readonly error: CompileError };

/** Judges submissions and executes programs, as many side by side as the sandbox takes. */
export class Judge {
  private readonly runs = new SharedRuns<Answer>();

  constructor(private readonly parts: JudgeParts) {}

  get sandbox(): Sandbox {
    return this.parts.sandbox;
  }

  get queue(): Queue {
    return this.parts.queue;
  }

  /**
   * Judges a submission. Throws QueueFull or QueueBudgetSpent before it runs, SandboxFailure when two sandboxes in a
   * row failed, the signal's reason when it aborts: nothing of the program is left then.
   */
  async judge(submission: Submission, wait: WaitOptions): Promise<Answer> {
    const key = submissionKey(submission);
    const known = this.fromCache(key, 0) ?? (await this.fromTwin(key, 0, wait.signal));
    if (known !== undefined) return known;
    let place = await this.parts.queue.enter(wait);
    if (this.runs.has(key)) {
      // Its twin came first, and runs: it needs no place.
      place.leave();
      const twin = await this.fromTwin(key, place.waitedMs, wait.signal);
      if (twin !== undefined) return twin;
      place = await this.parts.queue.enter(wait);
    }
    const { waitedMs, leave } = place;
    const meanwhile = this.fromCache(key, waitedMs);
    if (meanwhile !== undefined) {
      leave();
      return meanwhile;
    }
    return this.runs.start(key, wait.signal, async (signal) => {
      try {
        return await this.run(key, submission, waitedMs, signal);
      } finally {
        leave(); // and not before: others may follow this run when its first caller has gone
      }
    });
  }

  private async run(
    key: string,
    submission: Submission,
    queueMs: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { cache, sandbox, metrics } = this.parts;
    const started = performance.now();
    const judgement = await this.retried(() => judgeSubmission(sandbox, submission, signal), signal);
    const runMs = performance.now() - started;
    cache.put(key, judgement);
    metrics.judged(judgement.verdict, queueMs, runMs);
    return { judgement, queueMs, runMs, cached: false };
  }

  /** Runs a job of one run. Throws as `judge` does. */
  async execute(job: SandboxJob, wait: WaitOptions): Promise<Execution> {
    const { leave } = await this.parts.queue.enter(wait);
    try {
      return await this.retried(() => this.executeOnce(job, wait.signal), wait.signal);
    } finally {
      leave();
    }
  }

  private async executeOnce(job: SandboxJob, signal: AbortSignal): Promise<Execution> {
    for await (const event of this.parts.sandbox.execute(job, signal)) {
      if (event.kind === 'ran') return { kind: 'ran', ending: event.ending };
      if (event.kind === 'compile-error') return { kind: 'compile-error', error: event.error };
    }
    throw new SandboxFailure('the sandbox told of no run');
  }

  private fromCache(key: string, queueMs: number): Answer | undefined {
    const judgement = this.parts.cache.get(key);
    if (judgement === undefined) return undefined;
    this.parts.metrics.answeredFromCache();
    return { judgement, queueMs, runMs: 0, cached: true };
  }

  /** The answer of an identical submission that runs now; undefined where there is none, or another run may differ. */
  private async fromTwin(key: string, queueMs: number, signal: AbortSignal): Promise<Answer | undefined> {
    const twin = await this.runs.join(key, signal);
    if (twin === undefined || !isRepeatable(twin.judgement)) return undefined;
    this.parts.metrics.answeredByTwin();
    return { judgement: twin.judgement, queueMs, runMs: 0, cached: true };
  }

  /** A sandbox that fails says nothing about the program: a fresh one gets one more try. */
  private async retried<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    let abortedAt = Infinity;
    const note = (): void => {
      abortedAt = performance.now();
    };
    signal.addEventListener('abort', note, { once: true });
    try {
      return await this.tried(work);
    } finally {
      signal.removeEventListener('abort', note);
      if (signal.aborted) this.parts.metrics.killed(Math.max(0, performance.now() - abortedAt));
    }
  }

  private async tried<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isAbort(error) || !(error instanceof SandboxFailure)) throw error;
      this.failed(error);
    }
    try {
      return await work();
    } catch (error) {
      if (error instanceof SandboxFailure) this.failed(error);
      throw error;
    }
  }

  private failed(error: SandboxFailure): void {
    this.parts.metrics.sandboxFailed();
    this.parts.logger.error({ err: error }, 'a sandbox failed');
  }
}
