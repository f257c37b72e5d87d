import type { ConfigKeys } from './config-keys.js';
import { llamaArchitecture, type Architecture, type ModelType, type Rope } from './model-config.js';

/** What transformers assumes of a family where config.json is silent, and how the family's layers are built. */
export interface ModelFamily {
  /** The one of config.json `architectures` that has the output projection. */
  readonly className: string;
  readonly defaults: FamilyDefaults;
  /** Whether rotary scaling holds for layers with a sliding window too. */
  readonly scalesSlidingLayers: boolean;
  /** Reads the architecture; `rope` is that of layers with a sliding window. */
  readonly architecture: (keys: ConfigKeys, layers: number, rope: Rope) => Architecture;
}

interface FamilyDefaults {
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  readonly contextWindow: number;
  /** Absent: as many as heads. */
  readonly keyValueHeads?: number;
  /** Absent: D / H. */
  readonly headDim?: number;
  readonly bosId?: number;
  readonly stopId?: number;
}

/** The families that are read, by `model_type`. */
export const modelFamilies: Readonly<Record<ModelType, ModelFamily>> = {
  llama: {
    className: 'LlamaForCausalLM',
    defaults: { rmsNormEpsilon: 1e-6, ropeTheta: 10_000, contextWindow: 2048, bosId: 1, stopId: 2 },
    scalesSlidingLayers: true,
    architecture: (keys) => {
      keys.allow('sliding_window', []);
      const [attention, feedForward] = [keys.flag('attention_bias', false), keys.flag('mlp_bias', false)];
      return {
        ...llamaArchitecture,
        biases: { queryKeyValue: attention, attentionOutput: attention, feedForward },
      };
    },
  },
  mistral: {
    className: 'MistralForCausalLM',
    defaults: {
      rmsNormEpsilon: 1e-6,
      ropeTheta: 10_000,
      contextWindow: 131_072,
      keyValueHeads: 8,
      bosId: 1,
      stopId: 2,
    },
    scalesSlidingLayers: true,
    architecture: (keys, layers, rope) => {
      // Null is no window, silence is the first release's.
      if (keys.isNull('sliding_window')) return llamaArchitecture;
      const tokens = keys.positive('sliding_window', 4096);
      return { ...llamaArchitecture, slidingWindow: { tokens, layers: range(layers), rope } };
    },
  },
  qwen2: {
    className: 'Qwen2ForCausalLM',
    defaults: { rmsNormEpsilon: 1e-6, ropeTheta: 10_000, contextWindow: 32_768, keyValueHeads: 32 },
    scalesSlidingLayers: true,
    architecture: (keys, layers, rope) => ({
      ...llamaArchitecture,
      biases: { queryKeyValue: true, attentionOutput: false, feedForward: false },
      ...windowOfQwen(keys, layers, rope),
    }),
  },
  qwen3: {
    className: 'Qwen3ForCausalLM',
    defaults: {
      rmsNormEpsilon: 1e-6,
      ropeTheta: 10_000,
      contextWindow: 32_768,
      keyValueHeads: 32,
      headDim: 128,
    },
    scalesSlidingLayers: true,
    architecture: (keys, layers, rope) => ({
      norms: 'before',
      queryKeyNorm: 'head',
      biases: attentionBiases(keys),
      ...windowOfQwen(keys, layers, rope),
    }),
  },
  olmo2: {
    className: 'Olmo2ForCausalLM',
    defaults: { rmsNormEpsilon: 1e-5, ropeTheta: 10_000, contextWindow: 2048, stopId: 50_279 },
    scalesSlidingLayers: true,
    architecture: (keys) => ({ norms: 'after', queryKeyNorm: 'projection', biases: attentionBiases(keys) }),
  },
  olmo3: {
    className: 'Olmo3ForCausalLM',
    defaults: { rmsNormEpsilon: 1e-5, ropeTheta: 500_000, contextWindow: 2048, stopId: 50_279 },
    scalesSlidingLayers: false,
    architecture: (keys, layers, rope) => {
      const sliding = slidingLayers(keys, layers) ?? range(layers).filter((layer) => (layer + 1) % 4 !== 0);
      return {
        norms: 'after',
        queryKeyNorm: 'projection',
        biases: attentionBiases(keys),
        ...(sliding.length > 0 && {
          slidingWindow: { tokens: keys.positive('sliding_window', 4096), layers: sliding, rope },
        }),
      };
    },
  },
};

/** Whether a `model_type` is one that is read. */
export function isModelType(value: unknown): value is ModelType {
  return typeof value === 'string' && Object.hasOwn(modelFamilies, value);
}

/** `attention_bias` adds one to all four projections. */
function attentionBiases(keys: ConfigKeys): Architecture['biases'] {
  const bias = keys.flag('attention_bias', false);
  return { queryKeyValue: bias, attentionOutput: bias, feedForward: false };
}

/** With `use_sliding_window`, the layers of `layer_types`, or those from `max_window_layers` on. */
function windowOfQwen(keys: ConfigKeys, layers: number, rope: Rope): Pick<Architecture, 'slidingWindow'> {
  if (!keys.flag('use_sliding_window', false) || keys.isNull('sliding_window')) return {};
  const first = keys.raw('max_window_layers') === 0 ? 0 : keys.positive('max_window_layers', 28);
  const sliding = slidingLayers(keys, layers) ?? range(layers).filter((layer) => layer >= first);
  if (sliding.length === 0) return {};
  return { slidingWindow: { tokens: keys.positive('sliding_window', 4096), layers: sliding, rope } };
}

/** The indices that `layer_types` calls sliding; `undefined` when config.json has no such list. */
function slidingLayers(keys: ConfigKeys, layers: number): readonly number[] | undefined {
  const types = keys.raw('layer_types');
  if (types === undefined) return undefined;
  const named: readonly unknown[] = Array.isArray(types) ? types : [];
  if (named.length !== layers) throw keys.fail('layer_types', `is not a list of ${layers} layers`);
  return named.flatMap((type, layer) => {
    if (type === 'full_attention') return [];
    if (type === 'sliding_attention') return [layer];
    throw keys.fail(
      'layer_types',
      `${JSON.stringify(type)} is not supported; "full_attention" and "sliding_attention" are`,
    );
  });
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}
