import { CheckpointError } from './errors.js';
import { isJsonObject, type JsonObject } from './json.js';
import type { TensorTable } from './weights.js';

/** What an engine needs to know of a Llama-family model. */
export interface ModelConfig {
  readonly modelType: 'llama';
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
  /** Even; queries have width H * headDim. */
  readonly headDim: number;
  /** V. */
  readonly vocabularySize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  /** The output projection is the embedding. */
  readonly tiedEmbeddings: boolean;
  /** Longest prompt plus completion, in tokens. */
  readonly contextWindow: number;
  /** Absent: the model has none. */
  readonly bosId?: number;
  /** Ids that end a completion. */
  readonly stopIds: readonly number[];
}

/**
 * Reads config.json, with the defaults of the Hugging Face `LlamaConfig`; `eos_token_id` of generation_config.json wins.
 *
 * Throws `CheckpointError` naming the file and the key; what would change the arithmetic and is not supported is refused.
 */
export function parseModelConfig(config: JsonObject, file: string, generation?: JsonObject): ModelConfig {
  const keys = new Keys(config, file);
  keys.refuseUnsupported();
  const hiddenSize = keys.positive('hidden_size');
  const heads = keys.positive('num_attention_heads');
  const keyValueHeads = keys.positive('num_key_value_heads', heads);
  if (heads % keyValueHeads !== 0)
    throw keys.fail('num_key_value_heads', `${keyValueHeads} does not divide num_attention_heads ${heads}`);
  const headDim = keys.positive('head_dim', hiddenSize / heads);
  if (headDim % 2 !== 0) throw keys.fail('head_dim', `${headDim} is odd, rotary embeddings need an even one`);
  const vocabularySize = keys.positive('vocab_size');
  const stopIds = keys.ids('eos_token_id', vocabularySize, 2);
  const bosId = keys.ids('bos_token_id', vocabularySize, 1)[0];
  return {
    modelType: 'llama',
    hiddenSize,
    intermediateSize: keys.positive('intermediate_size'),
    layers: keys.positive('num_hidden_layers'),
    heads,
    keyValueHeads,
    headDim,
    vocabularySize,
    rmsNormEpsilon: keys.real('rms_norm_eps', 1e-6),
    ropeTheta: keys.ropeTheta(),
    tiedEmbeddings: keys.flag('tie_word_embeddings', false),
    contextWindow: keys.positive('max_position_embeddings', 2048),
    ...(bosId === undefined ? {} : { bosId }),
    stopIds: generationStopIds(generation, vocabularySize) ?? stopIds,
  };
}

/** The config.json of a model, for a model that has none yet. */
export function modelConfigJson(config: ModelConfig): JsonObject {
  const [onlyStop, ...moreStops] = config.stopIds;
  return {
    architectures: ['LlamaForCausalLM'],
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
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tiedEmbeddings,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: config.bosId ?? null,
    eos_token_id: moreStops.length > 0 ? config.stopIds : (onlyStop ?? null),
    torch_dtype: 'float32',
  };
}

/** Every trainable tensor of the model by its Hugging Face name, in the order of the layers. Matrices are [out, in]. */
export function modelTensors(config: ModelConfig): TensorTable {
  const { hiddenSize: d, intermediateSize: f, vocabularySize: v } = config;
  const queries = config.heads * config.headDim;
  const keys = config.keyValueHeads * config.headDim;
  const table = new Map<string, readonly number[]>([['model.embed_tokens.weight', [v, d]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (name: string, shape: readonly number[]) =>
      table.set(`model.layers.${layer}.${name}.weight`, shape);
    add('input_layernorm', [d]);
    add('self_attn.q_proj', [queries, d]);
    add('self_attn.k_proj', [keys, d]);
    add('self_attn.v_proj', [keys, d]);
    add('self_attn.o_proj', [d, queries]);
    add('post_attention_layernorm', [d]);
    add('mlp.gate_proj', [f, d]);
    add('mlp.up_proj', [f, d]);
    add('mlp.down_proj', [d, f]);
  }
  table.set('model.norm.weight', [d]);
  if (!config.tiedEmbeddings) table.set('lm_head.weight', [v, d]);
  return table;
}

/** Whether a file may hold this tensor although the model does not read it: a stored copy of the tied projection, or rotary tables. */
export function isRedundantTensor(config: ModelConfig, name: string): boolean {
  if (name === 'lm_head.weight') return config.tiedEmbeddings;
  return name.endsWith('.rotary_emb.inv_freq');
}

/** Keys whose presence with any other value changes the arithmetic. */
const supported: Readonly<Record<string, readonly unknown[]>> = {
  hidden_act: ['silu', 'swish'],
  attention_bias: [false],
  mlp_bias: [false],
  attention_dropout: [0],
  rope_interleaved: [false],
  partial_rotary_factor: [1],
  sliding_window: [],
  quantization_config: [],
};

/** Reads keys of one configuration file and names them in its errors. */
class Keys {
  constructor(
    private readonly values: JsonObject,
    private readonly file: string,
  ) {}

  fail(key: string, problem: string): CheckpointError {
    return new CheckpointError({ reason: 'invalid', file: this.file, problem: `${key}: ${problem}` });
  }

  refuseUnsupported(): void {
    const type = this.values['model_type'];
    if (type !== 'llama')
      throw this.fail('model_type', `${JSON.stringify(type)} is not supported; "llama" is`);
    const architectures = this.values['architectures'];
    if (Array.isArray(architectures) && !architectures.includes('LlamaForCausalLM'))
      throw this.fail('architectures', `${JSON.stringify(architectures)} has no "LlamaForCausalLM"`);
    for (const [key, allowed] of Object.entries(supported)) {
      const value = this.values[key] ?? undefined;
      if (value !== undefined && !allowed.includes(value))
        throw this.fail(key, `${JSON.stringify(value)} is not supported`);
    }
    for (const key of ['rope_scaling', 'rope_parameters']) {
      const rope = this.values[key] ?? undefined;
      if (rope === undefined) continue;
      if (!isJsonObject(rope)) throw this.fail(key, 'is not an object');
      const kind = rope['rope_type'] ?? rope['type'] ?? 'default';
      if (kind !== 'default') throw this.fail(key, `rotary scaling ${JSON.stringify(kind)} is not supported`);
    }
  }

  ropeTheta(): number {
    const parameters = this.values['rope_parameters'];
    const theta = isJsonObject(parameters) ? parameters['rope_theta'] : undefined;
    if (theta === undefined) return this.real('rope_theta', 10_000);
    return new Keys({ rope_theta: theta }, this.file).real('rope_theta', 10_000);
  }

  positive(key: string, fallback?: number): number {
    const value = this.values[key] ?? fallback;
    if (value === undefined) throw this.fail(key, 'is missing');
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
    throw this.fail(key, `${JSON.stringify(value)} is not a positive whole number`);
  }

  real(key: string, fallback: number): number {
    const value = this.values[key] ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw this.fail(key, `${JSON.stringify(value)} is not a positive number`);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.values[key] ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.fail(key, `${JSON.stringify(value)} is neither true nor false`);
  }

  /** One id, a list of ids, or null for none. */
  ids(key: string, vocabularySize: number, fallback: number): readonly number[] {
    const value = this.values[key];
    if (value === null) return [];
    if (value === undefined) return fallback < vocabularySize ? [fallback] : [];
    const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
    return ids.map((id) => {
      if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id < vocabularySize) return id;
      throw this.fail(key, `${JSON.stringify(id)} is not an id in [0, ${vocabularySize})`);
    });
  }
}

function generationStopIds(
  generation: JsonObject | undefined,
  vocabularySize: number,
): readonly number[] | undefined {
  if (generation?.['eos_token_id'] === undefined) return undefined;
  return new Keys(generation, 'generation_config.json').ids('eos_token_id', vocabularySize, 0);
}
