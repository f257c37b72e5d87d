import type { Objective } from '@backsight/sdpo';
import type { WeightSet } from './weights.js';

/**
 * An engine holds one policy's weights and can sample, score and train them. It knows token ids, never text.
 *
 * Calls may overlap; an engine runs what cannot overlap one after the other. Engines throw ordinary errors: `EngineInputError`
 * for a request that can never be right, `VersionMismatchError` for a policy that has moved on, `CheckpointError` for files.
 */
export interface Engine {
  readonly card: ModelCard;
  readonly info: EngineInfo;
  /** Optimizer steps the current weights have taken. */
  readonly version: number;
  /** Yields each completion as it ends, in no particular order. Aborting frees the slots at once. */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<SampledCompletion>;
  /** Scores the items in order. */
  score(request: ScoreRequest, signal: AbortSignal): Promise<readonly CompletionScore[]>;
  /** Takes all optimizer steps of the plan or none: an error or an abort leaves weights, optimizer, teacher and version as they were. */
  trainStep(plan: TrainPlan, examples: readonly TrainExample[], signal: AbortSignal): Promise<TrainReport>;
  /** Writes weights, teacher, optimizer state and version atomically; `score` says how good they are, more is better. */
  saveCheckpoint(name: string, score?: number): Promise<CheckpointInfo>;
  /** Replaces the whole state, or throws and replaces nothing. `initial` names the weights the engine was started with. */
  restoreCheckpoint(name: string): Promise<CheckpointInfo>;
  listCheckpoints(): Promise<readonly CheckpointInfo[]>;
  /** Writes a folder of the layout, by default Hugging Face's, and returns its path. */
  exportCheckpoint(name: string, layout?: ExportLayout): Promise<string>;
  /** A copy of the student's weights, all of one version, under their Hugging Face names. */
  readWeights(): Promise<VersionedWeights>;
  /**
   * Takes over other weights and their version; teacher and optimizer begin anew. It waits for completions that are being
   * sampled, so that each is drawn from one version. Throws `EngineInputError` for tensors of another model.
   */
  replaceWeights(replacement: VersionedWeights): Promise<void>;
  close(): Promise<void>;
}

/** Weights and the optimizer steps they have taken. */
export interface VersionedWeights {
  readonly version: number;
  readonly weights: WeightSet;
}

/** A whole model, with an adapter merged in, or an adapter alone. */
export type ExportLayout = 'hugging-face' | 'peft';

/** What a caller must know of a model. */
export interface ModelCard {
  readonly model: string;
  /** config.json `model_type`. */
  readonly architecture: string;
  readonly parameterCount: number;
  readonly vocabularySize: number;
  /** Longest prompt plus completion, in tokens. */
  readonly contextWindow: number;
  readonly stopIds: readonly number[];
}

/** The engine and its device. */
export interface EngineInfo {
  readonly name: string;
  readonly version: string;
  readonly device: string;
  readonly threads: number;
  /** Completions sampled side by side. */
  readonly generationSlots: number;
  /** Tokens in one forward and backward pass. */
  readonly microBatchTokens: number;
  readonly training: TrainingAbilities;
}

/** What an engine can train with. */
export interface TrainingAbilities {
  readonly objectives: readonly (keyof Pick<Objective, 'distillation' | 'policyGradient' | 'likelihood'>)[];
  readonly teachers: readonly TeacherSettings['kind'][];
  /** Largest K of a top-K support; absent: the vocabulary alone limits it. */
  readonly maxSupport?: number;
}

export interface GenerateRequest {
  /** Token ids per prompt, each at least one long. */
  readonly prompts: readonly (readonly number[])[];
  /** Completions per prompt. */
  readonly groupSize: number;
  readonly sampling: Sampling;
  /** Is told of every token the moment it is drawn, in each completion's order, and may end the completion there. Must not throw. */
  readonly onToken?: (token: SampledToken) => 'go-on' | 'end';
  /** Most likely tokens that `onToken` is told beside each. Absent: none. */
  readonly topTokens?: number;
}

/** A token and its natural-log probability. */
export interface TokenLogprob {
  readonly tokenId: number;
  readonly logprob: number;
}

/** A token of a completion in the making. */
export interface SampledToken extends TokenLogprob {
  readonly promptIndex: number;
  readonly sampleIndex: number;
  /** Most likely tokens of the distribution it was drawn from, most likely first; top-p may leave fewer than asked for. */
  readonly top: readonly TokenLogprob[];
  /** Version of the weights that drew it. */
  readonly policyVersion: number;
}

/** How the next token is drawn. */
export interface Sampling {
  /** Divides the logits; 0 takes the most likely token. */
  readonly temperature: number;
  /** In (0, 1]. */
  readonly topP: number;
  /** Longest completion in tokens, the stop id included. */
  readonly maxTokens: number;
  readonly seed: number;
  /** Ids that end a completion beside the model's own. */
  readonly stopIds: readonly number[];
}

export interface SampledCompletion {
  readonly promptIndex: number;
  readonly sampleIndex: number;
  /** Shape [T], the stop id included. */
  readonly tokenIds: readonly number[];
  /** Logprob of each token under the distribution it was drawn from. Shape [T]. */
  readonly logprobs: readonly number[];
  /** A stop id was drawn or the listener ended it, or the completion reached its limit. */
  readonly finishReason: 'stop' | 'length';
  readonly policyVersion: number;
}

export interface ScoreRequest {
  readonly items: readonly {
    readonly promptIds: readonly number[];
    readonly completionIds: readonly number[];
  }[];
  readonly weights: 'student' | 'teacher';
  /** Divides the logits; in (0, inf). */
  readonly temperature: number;
  /** Most likely tokens to return per position; 0 returns none. */
  readonly topK: number;
}

export interface CompletionScore {
  /** Shape [T]. */
  readonly logprobs: readonly number[];
  /** In nats. Shape [T]. */
  readonly entropies: readonly number[];
  /** Shape [T, K], row-major. */
  readonly topIds: readonly number[];
  /** Shape [T, K], row-major. */
  readonly topLogprobs: readonly number[];
}

/** One training transaction. */
export interface TrainPlan {
  readonly expectedVersion: number;
  readonly objective: Objective;
  readonly teacher: TeacherSettings;
  readonly optimizer: OptimizerSettings;
  /** Optimizer steps, each on an equal share of the examples, at least 1. */
  readonly miniBatches: number;
  /** Orders the examples before they are shared out. */
  readonly shuffleSeed: number;
}

export interface TeacherSettings {
  readonly kind: 'ema' | 'frozen' | 'live' | 'trust-region';
  /** EMA: share of the student taken at each move. Trust region: share of the live logits. In [0, 1]. */
  readonly rate: number;
  /** When an EMA teacher moves: after the transaction, after each optimizer step, or not. */
  readonly cadence: 'batch' | 'step' | 'hold';
}

/** AdamW with decoupled weight decay and global-norm clipping. */
export interface OptimizerSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Absent: nothing is clipped. */
  readonly maxGradientNorm?: number;
}

/** One completion with what the student saw and what the teacher sees. */
export interface TrainExample {
  readonly studentPromptIds: readonly number[];
  /** Empty when nothing teaches this completion. */
  readonly teacherPromptIds: readonly number[];
  /** Exactly as sampled. Shape [T]. */
  readonly completionIds: readonly number[];
  /** Exactly as sampled. Shape [T], or empty when no term needs them. */
  readonly completionLogprobs: readonly number[];
  readonly advantage: number;
  readonly distillationWeight: number;
  readonly policyGradientWeight: number;
  readonly likelihoodWeight: number;
  /** For error messages. */
  readonly rolloutId: string;
}

export interface TrainReport {
  readonly version: number;
  readonly steps: readonly StepReport[];
  /** Under their established names, for example `actor/entropy`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Seconds per phase. */
  readonly seconds: Readonly<Record<string, number>>;
}

export interface StepReport {
  readonly loss: number;
  readonly distillationLoss: number;
  readonly policyGradientLoss: number;
  readonly likelihoodLoss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** The gradient was not finite and the weights were left as they were. */
  readonly skipped: boolean;
  readonly examples: number;
  readonly lossTokens: number;
}

export interface CheckpointInfo {
  readonly name: string;
  readonly version: number;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  /** How good its weights are, if who saved it said so. */
  readonly score?: number;
}
