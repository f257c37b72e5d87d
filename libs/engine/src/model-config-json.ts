import { ConfigKeys } from './config-keys.js';
import type { JsonObject } from './json.js';
import type { ModelConfig } from './model-config.js';
import { isModelType, modelFamilies } from './model-families.js';
import { parseRopes, ropeParametersJson, ropeScalingJson } from './rope-config.js';

/**
 * Reads config.json, with the defaults of transformers for the family; `eos_token_id` of generation_config.json wins.
 *
 * Throws `CheckpointError` naming the file and the key; what would change the arithmetic and is not supported is refused.
 */
export function parseModelConfig(config: JsonObject, file: string, generation?: JsonObject): ModelConfig {
  const keys = new ConfigKeys(config, file);
  const modelType = keys.raw('model_type');
  if (!isModelType(modelType)) {
    const found = modelType === undefined ? 'is missing' : `${JSON.stringify(modelType)} is not supported`;
    throw keys.fail('model_type', `${found}; ${supportedTypes()} are supported`);
  }
  const family = modelFamilies[modelType];
  refuseUnsupported(keys, family.className);
  const { defaults } = family;
  const hiddenSize = keys.positive('hidden_size');
  const layers = keys.positive('num_hidden_layers');
  const heads = keys.positive('num_attention_heads');
  const keyValueHeads = keys.positive('num_key_value_heads', defaults.keyValueHeads ?? heads);
  if (heads % keyValueHeads !== 0)
    throw keys.fail('num_key_value_heads', `${keyValueHeads} does not divide num_attention_heads ${heads}`);
  const headDim = keys.positive('head_dim', defaults.headDim ?? hiddenSize / heads);
  if (headDim % 2 !== 0) throw keys.fail('head_dim', `${headDim} is odd, rotary embeddings need an even one`);
  const vocabularySize = keys.positive('vocab_size');
  const stopIds = keys.ids('eos_token_id', vocabularySize, defaults.stopId);
  const bosId = keys.ids('bos_token_id', vocabularySize, defaults.bosId)[0];
  const ropes = parseRopes(keys, defaults.ropeTheta, family.scalesSlidingLayers);
  return {
    modelType,
    hiddenSize,
    intermediateSize: keys.positive('intermediate_size'),
    layers,
    heads,
    keyValueHeads,
    headDim,
    vocabularySize,
    rmsNormEpsilon: keys.real('rms_norm_eps', defaults.rmsNormEpsilon),
    rope: ropes.full,
    tiedEmbeddings: keys.flag('tie_word_embeddings', false),
    contextWindow: keys.positive('max_position_embeddings', defaults.contextWindow),
    architecture: family.architecture(keys, layers, ropes.sliding),
    ...(bosId === undefined ? {} : { bosId }),
    stopIds: generationStopIds(generation, vocabularySize) ?? stopIds,
  };
}

/** The config.json of a model, for a model that has none yet. */
export function modelConfigJson(config: ModelConfig): JsonObject {
  const { architecture } = config;
  const [onlyStop, ...moreStops] = config.stopIds;
  return {
    architectures: [modelFamilies[config.modelType].className],
    model_type: config.modelType,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headDim,
    vocab_size: config.vocabularySize,
    max_position_embeddings: config.contextWindow,
    rms_norm_eps: config.rmsNormEpsilon,
    ...ropeJson(config),
    tie_word_embeddings: config.tiedEmbeddings,
    hidden_act: 'silu',
    attention_bias: architecture.biases.attentionOutput,
    mlp_bias: architecture.biases.feedForward,
    ...windowJson(config),
    bos_token_id: config.bosId ?? null,
    eos_token_id: moreStops.length > 0 ? config.stopIds : (onlyStop ?? null),
    torch_dtype: 'float32',
  };
}

/** Keys whose presence with any other value changes the arithmetic. */
const supported: Readonly<Record<string, readonly unknown[]>> = {
  hidden_act: ['silu', 'swish'],
  attention_dropout: [0],
  partial_rotary_factor: [1],
  quantization_config: [],
};

function refuseUnsupported(keys: ConfigKeys, className: string): void {
  const architectures = keys.raw('architectures');
  if (Array.isArray(architectures) && !architectures.includes(className))
    throw keys.fail('architectures', `${JSON.stringify(architectures)} has no "${className}"`);
  for (const [key, allowed] of Object.entries(supported)) keys.allow(key, allowed);
}

function supportedTypes(): string {
  const names = Object.keys(modelFamilies).map((name) => `"${name}"`);
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
}

/** In the older form where one entry says it all, as every reader knows it; else an entry per layer type. */
function ropeJson({ modelType, rope, architecture: { slidingWindow } }: ModelConfig): JsonObject {
  const { theta, scaling } = rope;
  if (slidingWindow !== undefined && !modelFamilies[modelType].scalesSlidingLayers)
    return {
      rope_theta: theta,
      rope_parameters: {
        full_attention: ropeParametersJson(rope),
        sliding_attention: ropeParametersJson(slidingWindow.rope),
      },
    };
  return { rope_theta: theta, ...(scaling && { rope_scaling: ropeScalingJson(scaling) }) };
}

function windowJson({ modelType, layers, architecture: { slidingWindow } }: ModelConfig): JsonObject {
  if (slidingWindow === undefined) return modelType === 'mistral' ? { sliding_window: null } : {};
  const { tokens, layers: sliding } = slidingWindow;
  return {
    sliding_window: tokens,
    ...(modelType !== 'mistral' && {
      use_sliding_window: true,
      layer_types: Array.from({ length: layers }, (_, layer) =>
        sliding.includes(layer) ? 'sliding_attention' : 'full_attention',
      ),
    }),
  };
}

function generationStopIds(
  generation: JsonObject | undefined,
  vocabularySize: number,
): readonly number[] | undefined {
  if (generation?.['eos_token_id'] === undefined) return undefined;
  return new ConfigKeys(generation, 'generation_config.json').ids('eos_token_id', vocabularySize);
}
