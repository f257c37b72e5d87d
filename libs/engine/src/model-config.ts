/** What an engine needs to know of a decoder-only transformer: its sizes, its architecture and the ids that matter. */
export interface ModelConfig {
  readonly modelType: ModelType;
  /** D. */
  readonly hiddenSize: number;
  /** Width of the gated feed-forward layer. */
  readonly intermediateSize: number;
  /** L. */
  readonly layers: number;
  /** H. */
  readonly heads: number;
  /** Divides H. */
  readonly keyValueHeads: number;
  /** Even; queries have width H * headDim, which need not be D. */
  readonly headDim: number;
  /** V. */
  readonly vocabularySize: number;
  readonly rmsNormEpsilon: number;
  readonly rope: Rope;
  /** The output projection is the embedding. */
  readonly tiedEmbeddings: boolean;
  /** Longest prompt plus completion, in tokens. */
  readonly contextWindow: number;
  readonly architecture: Architecture;
  /** Absent: the model has none. */
  readonly bosId?: number;
  /** Ids that end a completion. */
  readonly stopIds: readonly number[];
}

/** config.json `model_type` of the families that are read. */
export type ModelType = 'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'olmo2' | 'olmo3';

/** Where the layers of one family differ from those of another; all else is the same in all of them. */
export interface Architecture {
  /** Where the RMS norm of a sublayer stands: before what it reads, or after what it writes. */
  readonly norms: 'before' | 'after';
  /** RMS norm of queries and keys before they are turned: none, of each head alone, or of the whole projection. */
  readonly queryKeyNorm: 'none' | 'head' | 'projection';
  /** Which linear maps add a bias. */
  readonly biases: {
    readonly queryKeyValue: boolean;
    readonly attentionOutput: boolean;
    readonly feedForward: boolean;
  };
  /** Layers that look back only so far; absent: there are none. */
  readonly slidingWindow?: SlidingWindow;
}

/** Layers whose attention sees the last tokens only. */
export interface SlidingWindow {
  /** Tokens that a position sees, itself included. */
  readonly tokens: number;
  /** Indices of the layers, ascending. */
  readonly layers: readonly number[];
  /** How positions turn queries and keys in these layers. */
  readonly rope: Rope;
}

/** Rotary position embedding: channel pair c of d/2 turns by position * theta^(-2c/d), before scaling. */
export interface Rope {
  readonly theta: number;
  /** Absent: as trained. */
  readonly scaling?: RopeScaling;
}

/** How rotary frequencies are slowed down for contexts longer than those first trained on. */
export type RopeScaling =
  /** Every frequency is divided by the factor. */
  | { readonly kind: 'linear'; readonly factor: number }
  /** Llama 3: wavelengths beyond originalContext / lowFrequencyFactor are divided, short ones kept, a ramp between. */
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContext: number;
    }
  /** YaRN (arXiv 2309.00071): a ramp between channels that turn betaFast and betaSlow times in originalContext. */
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly originalContext: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Whether the ends of the ramp are whole channels. */
      readonly wholeChannels: boolean;
      /** Multiplies cosines and sines, and so attention scores by its square. */
      readonly attentionFactor: number;
    };

/** Llama's own: norms before, nothing added. */
export const llamaArchitecture: Architecture = {
  norms: 'before',
  queryKeyNorm: 'none',
  biases: { queryKeyValue: false, attentionOutput: false, feedForward: false },
};

/** What one layer's attention sees and how it is turned. */
export interface LayerSight {
  /** Tokens that a position sees, itself included; absent: all that came before. */
  readonly window?: number;
  readonly rope: Rope;
}

/** The sight of the layer at an index. */
export function layerSight({ rope, architecture }: ModelConfig, layer: number): LayerSight {
  const { slidingWindow } = architecture;
  if (slidingWindow === undefined || !slidingWindow.layers.includes(layer)) return { rope };
  return { window: slidingWindow.tokens, rope: slidingWindow.rope };
}
