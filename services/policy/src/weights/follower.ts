/** Keeps an engine at the weights of a trainer. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  DataType,
  PolicyServiceDefinition,
  type DescribeResponse,
  type PullWeightsResponse,
} from '@backsight/contract/policy';
import type { Engine, TensorTable } from '@backsight/engine';
import { connect, describeError, readFailure, type Connection, type Logger } from '@backsight/rpc';
import { BrokenWeightsError, receiveWeights, type ReceivedWeights } from './receive-weights.js';
import { emptyTensors, weightsOf, type SentTensor, type SentType } from './snapshot.js';

/** Whom to follow and how. */
export interface FollowOptions {
  /** `host:port` of the trainer, or of another follower. */
  readonly trainer: string;
  /** How often to ask for new weights, in milliseconds. */
  readonly intervalMs: number;
  /** After how long without an answer the weights count as stale, in milliseconds. */
  readonly staleAfterMs: number;
  readonly type: SentType;
}

/** What became of following so far. */
export type FollowState =
  /** Nothing has been received yet, so nothing may be sampled; `problem` says why not, once it is known. */
  | { readonly kind: 'waiting'; readonly problem: string | undefined }
  /** The weights are the trainer's as of the last answer. */
  | { readonly kind: 'fresh' }
  /** The trainer has not answered for too long; the weights are those it had. */
  | { readonly kind: 'stale'; readonly problem: string };

/** Whom a follower tells. */
export interface FollowListener {
  /** Other weights have been taken over, or those there are have another name. */
  synced(version: number, weightsId: string): void;
  stateIs(state: FollowState): void;
}

/** Longest wait between attempts while the trainer is away, in milliseconds, unless the interval is longer. */
const maxBackoffMs = 10_000;

/** The weights as they were last received, to take a delta on. */
interface Mirror {
  readonly tensors: readonly SentTensor[];
  readonly received: ReceivedWeights;
}

/** Follows from its start until it is closed. */
export class Follower {
  private readonly connection: Connection<typeof PolicyServiceDefinition>;
  private readonly closing = new AbortController();
  private mirror: Mirror | undefined;
  private table: TensorTable | undefined;
  private described = false;
  private lastAnswerMs = Date.now();
  private current: FollowState = { kind: 'waiting', problem: undefined };
  private following: Promise<void> | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly options: FollowOptions,
    private readonly logger: Logger,
  ) {
    this.connection = connect(PolicyServiceDefinition, options.trainer, { retry: false });
  }

  get trainer(): string {
    return this.options.trainer;
  }

  start(listener: FollowListener): void {
    this.following ??= this.follow(listener);
  }

  /** Throws `NotYetFollowingError` while there are no weights of the trainer's to sample from. */
  requireWeights(): void {
    if (this.current.kind !== 'waiting') return;
    const { problem } = this.current;
    const why = problem === undefined ? '' : `: ${problem}`;
    throw new NotYetFollowingError(`waiting for the weights of the trainer at ${this.options.trainer}${why}`);
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.following;
    this.connection.close();
  }

  private async follow(listener: FollowListener): Promise<void> {
    const { intervalMs } = this.options;
    const { signal } = this.closing;
    for (let failures = 0; !signal.aborted;) {
      try {
        const taken = await this.sync();
        if (taken !== undefined) listener.synced(taken.version, taken.weightsId);
        failures = 0;
        this.lastAnswerMs = Date.now();
        this.become({ kind: 'fresh' }, listener);
      } catch (error) {
        failures += 1;
        this.failed(error, listener);
      }
      const backoff = Math.min(intervalMs * 2 ** failures, Math.max(maxBackoffMs, intervalMs));
      const wait = failures === 0 ? intervalMs : backoff * (0.5 + Math.random() / 2);
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Takes over what the trainer has; what that is, if it is other than before. */
  private async sync(): Promise<ReceivedWeights | undefined> {
    if (!this.described)
      this.requireSameModel(await this.connection.client.describe({}, { signal: this.closing.signal }));
    this.described = true;
    const { mirror } = this;
    if (mirror === undefined) return this.pull();
    try {
      return await this.pull(mirror);
    } catch (error) {
      // The trainer no longer has the base, or what the delta led to is not right: then the whole.
      const code = readFailure(error)?.code;
      if (code !== 'FAILED_PRECONDITION' && !(error instanceof BrokenWeightsError)) throw error;
      this.logger.info({ why: describeError(error) }, 'pulling the whole weights');
      return this.pull();
    }
  }

  /** Receives beside the engine, and hands over only what is proven: the engine never holds half of it. */
  private async pull(base?: Mirror): Promise<ReceivedWeights | undefined> {
    const { type } = this.options;
    const { signal } = this.closing;
    const begin = performance.now();
    this.table ??= (await this.engine.readWeights()).weights.table;
    const tensors = base?.tensors ?? emptyTensors(this.table, type);
    const request = {
      dtype: type === 'float32' ? DataType.FLOAT32 : DataType.BFLOAT16,
      ...(base && { baseVersion: base.received.version, baseChecksum: base.received.checksum }),
    };
    const stream = this.connection.client.pullWeights(request, { signal });
    const received = await receiveWeights(this.withoutMirror(stream), tensors, type, base?.received.checksum);
    const { version, bytes } = received;
    const other = base === undefined || bytes > 0 || version !== base.received.version;
    if (other) {
      await this.engine.replaceWeights({ version, weights: await weightsOf(tensors, this.table) });
      const seconds = (performance.now() - begin) / 1000;
      this.logger.info({ version, bytes, whole: base === undefined, seconds }, 'weights taken over');
    }
    this.mirror = { tensors, received };
    return other || received.weightsId !== base.received.weightsId ? received : undefined;
  }

  /** Gives the mirror up, until its tensors are proven again, before the first piece is written into them. */
  private async *withoutMirror(stream: AsyncIterable<PullWeightsResponse>): typeof stream {
    for await (const message of stream) {
      if (message.chunk !== undefined) this.mirror = undefined;
      yield message;
    }
  }

  private requireSameModel(trainer: DescribeResponse): void {
    const { card } = this.engine;
    const same =
      trainer.architecture === card.architecture &&
      trainer.parameterCount === card.parameterCount &&
      trainer.vocabularySize === card.vocabularySize;
    if (same) return;
    const words = (model: Omit<typeof card, 'stopIds' | 'contextWindow'>) =>
      `${model.model} (${model.architecture}, ${model.parameterCount} parameters, vocabulary of ${model.vocabularySize})`;
    throw new WrongModelError(
      `the trainer at ${this.options.trainer} has another model: ${words(trainer)}, where this policy is ${words(card)}`,
    );
  }

  private failed(error: unknown, listener: FollowListener): void {
    if (this.closing.signal.aborted) return;
    // Whoever answers next may be another process, with another model.
    this.described = false;
    const problem = describeError(error);
    this.logger.warn({ trainer: this.options.trainer, problem }, 'the weights could not be pulled');
    if (this.current.kind === 'waiting') this.become({ kind: 'waiting', problem }, listener);
    else if (error instanceof WrongModelError || Date.now() - this.lastAnswerMs >= this.options.staleAfterMs)
      this.become({ kind: 'stale', problem }, listener);
  }

  private become(state: FollowState, listener: FollowListener): void {
    const changed = state.kind !== this.current.kind;
    this.current = state;
    if (changed) listener.stateIs(state);
  }
}

/** The follower has no weights to sample from yet. */
export class NotYetFollowingError extends Error {
  override readonly name = 'NotYetFollowingError';
  /** When to try again, in milliseconds. */
  readonly retryAfterMs = 1000;
}

/** The trainer's weights can never be this policy's. */
class WrongModelError extends Error {
  override readonly name = 'WrongModelError';
}
