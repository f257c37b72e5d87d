import { MessageChannel, type MessagePort } from 'node:worker_threads';
import {
  WeightSet,
  type CheckpointInfo,
  type CompletionScore,
  type Engine,
  type EngineInfo,
  type ExportLayout,
  type GenerateRequest,
  type ModelCard,
  type SampledCompletion,
  type ScoreRequest,
  type TrainExample,
  type TrainPlan,
  type TrainReport,
  type VersionedWeights,
} from '@backsight/engine';
import { CompletionStream } from '../generation/completion-stream.js';
import type { Call, CallMessage, FromCaller, FromHost, PackedWeights, VersionCell } from './messages.js';
import { packError, unpackError } from './packed-error.js';
import { TokenListener } from './token-listener.js';

/** The way to the thread: a MessagePort, or the Worker itself. */
export interface ToThread {
  postMessage(message: CallMessage, transfer: readonly MessagePort[]): void;
}

/** An engine that works in another thread, so that this one is free while it computes. */
export class RemoteEngine implements Engine {
  constructor(
    private readonly thread: ToThread,
    readonly card: ModelCard,
    readonly info: EngineInfo,
    private readonly versionCell: VersionCell,
    /** Waits for the thread to end, once its engine is closed. */
    private readonly ended: Promise<unknown>,
  ) {}

  get version(): number {
    return Number(Atomics.load(this.versionCell, 0));
  }

  async *generate(
    { onToken, ...request }: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<SampledCompletion, void, void> {
    signal.throwIfAborted();
    const port = this.send({ method: 'generate', request, tellTokens: onToken !== undefined });
    const stream = new CompletionStream();
    const listener = onToken && new TokenListener(onToken);
    const abort = () => {
      stream.fail(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    listen<undefined>(port, (message) => {
      if (message.kind === 'token') {
        if (listener?.hear(message.token) === 'end') tell(port, { ...message.token, kind: 'end' });
      } else if (message.kind === 'completion')
        stream.push(listener?.cut(message.completion) ?? message.completion);
      else stream.fail(message.kind === 'failed' ? unpackError(message.error) : finished);
    });
    try {
      for (;;) {
        const completion = await stream.next();
        signal.throwIfAborted();
        yield completion;
      }
    } catch (error) {
      if (error !== finished) throw error;
    } finally {
      signal.removeEventListener('abort', abort);
      // Closing the channel is giving up, where anything is left to give up.
      port.close();
    }
  }

  score(request: ScoreRequest, signal: AbortSignal): Promise<readonly CompletionScore[]> {
    return this.ask({ method: 'score', request }, signal);
  }

  trainStep(plan: TrainPlan, examples: readonly TrainExample[], signal: AbortSignal): Promise<TrainReport> {
    return this.ask({ method: 'trainStep', plan, examples }, signal);
  }

  saveCheckpoint(name: string, score?: number): Promise<CheckpointInfo> {
    return this.ask({ method: 'saveCheckpoint', name, score });
  }

  restoreCheckpoint(name: string): Promise<CheckpointInfo> {
    return this.ask({ method: 'restoreCheckpoint', name });
  }

  listCheckpoints(): Promise<readonly CheckpointInfo[]> {
    return this.ask({ method: 'listCheckpoints' });
  }

  exportCheckpoint(name: string, layout?: ExportLayout): Promise<string> {
    return this.ask({ method: 'exportCheckpoint', name, layout });
  }

  async readWeights(): Promise<VersionedWeights> {
    const { version, table, flat } = await this.ask<PackedWeights>({ method: 'readWeights' });
    return { version, weights: new WeightSet(table, flat) };
  }

  async replaceWeights({ version, weights: { table, flat } }: VersionedWeights): Promise<void> {
    await this.ask({ method: 'replaceWeights', replacement: { version, table, flat } });
  }

  async close(): Promise<void> {
    await this.ask({ method: 'close' });
    await this.ended;
  }

  /** Aborting tells the thread and waits for its word: a step is taken or not, whoever waits for it. */
  private async ask<Value>(call: Call, signal?: AbortSignal): Promise<Value> {
    signal?.throwIfAborted();
    const port = this.send(call);
    const cancel = () => {
      tell(port, { kind: 'cancel' });
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<Value>((resolve, reject) => {
        listen<Value>(port, (message) => {
          if (message.kind === 'done') resolve(message.value);
          else if (message.kind === 'failed') reject(unpackError(message.error));
        });
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      port.close();
    }
  }

  private send(call: Call): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.thread.postMessage({ call, port: port2 }, [port2]);
    return port1;
  }
}

/** Ends the stream of completions when all have come. */
const finished = new Error('All completions have come.');

/** A channel that the thread closes has no more to say: the thread has ended, and the call has failed. */
function listen<Value>(port: MessagePort, hear: (message: FromHost<Value>) => void): void {
  port.on('message', hear);
  port.on('close', () => {
    hear({ kind: 'failed', error: packError(new Error('The engine has ended.')) });
  });
}

function tell(port: MessagePort, message: FromCaller): void {
  port.postMessage(message);
}
