import type { Retention } from '@backsight/engine';
import type { ExecutionProvider } from './execution-provider.js';
import type { AdapterOptions } from './training/adapter-options.js';

/** What an embedded engine is started with. */
export interface OrtEngineOptions {
  /** Hugging Face folder of the model: config.json, model.safetensors, tokenizer.json. */
  readonly modelFolder: string;
  /** Where checkpoints and exports are written; made when it is needed. */
  readonly checkpointFolder: string;
  /** Threads that one operator uses, at least 1. */
  readonly threads: number;
  /** Where ONNX Runtime runs the graphs. Default `cpu`. */
  readonly executionProvider?: ExecutionProvider;
  /** Completions sampled side by side, at least 1. */
  readonly generationSlots: number;
  /** Padded tokens in one forward and backward pass, at least 1; a longer sequence goes alone. */
  readonly microBatchTokens: number;
  /** The adapter that is trained, the model's own weights being frozen; absent: all weights are trained. */
  readonly adapter?: AdapterOptions;
  /** Which checkpoints stay when another is saved; absent: all. */
  readonly retention?: Retention;
  /** Folder in which ONNX Runtime leaves what every node took, once the engine is closed; absent: nowhere. */
  readonly profileFolder?: string;
  /** Where the engine says what it does; absent: nowhere. */
  readonly logger?: EngineLogger;
}

/** The part of a logger that the engine uses; pino's has it. */
export interface EngineLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}
