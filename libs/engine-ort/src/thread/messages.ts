/**
 * What an engine's callers and its thread say to each other.
 *
 * Each call has a channel of its own. Its last message is `done` or `failed`; a caller that closes the channel gives up.
 */
import type { MessagePort } from 'node:worker_threads';
import type {
  Engine,
  EngineInfo,
  ExportLayout,
  GenerateRequest,
  ModelCard,
  SampledCompletion,
  SampledToken,
  ScoreRequest,
  TensorTable,
  TrainExample,
  TrainPlan,
} from '@backsight/engine';
import type { EngineLogger, OrtEngineOptions } from '../engine-options.js';
import type { PackedError } from './packed-error.js';

/** A method of the engine with its arguments, as they can be sent. */
export type Call =
  | {
      readonly method: 'generate';
      readonly request: Omit<GenerateRequest, 'onToken'>;
      readonly tellTokens: boolean;
    }
  | { readonly method: 'score'; readonly request: ScoreRequest }
  | { readonly method: 'trainStep'; readonly plan: TrainPlan; readonly examples: readonly TrainExample[] }
  | { readonly method: 'saveCheckpoint'; readonly name: string; readonly score: number | undefined }
  | { readonly method: 'restoreCheckpoint'; readonly name: string }
  | { readonly method: 'listCheckpoints' }
  | { readonly method: 'exportCheckpoint'; readonly name: string; readonly layout: ExportLayout | undefined }
  | { readonly method: 'readWeights' }
  | { readonly method: 'replaceWeights'; readonly replacement: PackedWeights }
  | { readonly method: 'close' };

/** The first that the thread hears: what to load. */
export interface LoadMessage {
  readonly options: Omit<OrtEngineOptions, 'logger'>;
  readonly version: VersionCell;
}

/** A call on its way to the thread. */
export interface CallMessage {
  readonly call: Call;
  readonly port: MessagePort;
}

/** What the caller says while its call runs. */
export type FromCaller =
  | { readonly kind: 'cancel' }
  /** The listener of tokens wants no more of this completion. */
  | { readonly kind: 'end'; readonly promptIndex: number; readonly sampleIndex: number };

/** What the thread answers a call that returns a `Value`. */
export type FromHost<Value> =
  | { readonly kind: 'token'; readonly token: SampledToken }
  | { readonly kind: 'completion'; readonly completion: SampledCompletion }
  | { readonly kind: 'done'; readonly value: Value }
  | { readonly kind: 'failed'; readonly error: PackedError };

/** What the thread says by itself. */
export type FromThread =
  | { readonly kind: 'ready'; readonly card: ModelCard; readonly info: EngineInfo }
  | { readonly kind: 'refused'; readonly error: PackedError }
  | {
      readonly kind: 'log';
      readonly level: keyof EngineLogger;
      readonly fields: Readonly<Record<string, unknown>>;
      readonly message: string;
    };

/** Weights as they can be sent: a class does not survive the way. */
export interface PackedWeights {
  readonly version: number;
  readonly table: TensorTable;
  readonly flat: Float32Array;
}

/** The engine's version, which either side reads at any time. */
export type VersionCell = BigInt64Array<SharedArrayBuffer>;

/** Tells all completions of a request apart. */
export function completionKey({
  promptIndex,
  sampleIndex,
}: Pick<SampledToken, 'promptIndex' | 'sampleIndex'>): string {
  return `${promptIndex}/${sampleIndex}`;
}

/** Stores the version where the callers read it. */
export function tellVersion(cell: VersionCell, engine: Engine): void {
  Atomics.store(cell, 0, BigInt(engine.version));
}
