import { describe, expect, it } from '@jest/globals';
import { layerSight, llamaArchitecture } from './model-config.js';
import { modelConfigJson, parseModelConfig } from './model-config-json.js';
import { isRedundantTensor, modelTensors } from './model-tensors.js';
import { totalElements } from './weights.js';

/** Published configurations, key for key where a key says something of the arithmetic, and their parameter counts. */
const published = {
  'SmolLM2-135M': {
    parameters: 134_515_008,
    config: {
      model_type: 'llama',
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      vocab_size: 49152,
      max_position_embeddings: 8192,
      rope_scaling: null,
      rope_theta: 100000,
      tie_word_embeddings: true,
    },
  },
  'Llama-3.2-1B': {
    parameters: 1_235_814_400,
    config: {
      model_type: 'llama',
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 64,
      vocab_size: 128256,
      max_position_embeddings: 131072,
      rope_theta: 500000,
      rope_scaling: {
        factor: 32,
        high_freq_factor: 4,
        low_freq_factor: 1,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
      attention_bias: false,
      mlp_bias: false,
      tie_word_embeddings: true,
      eos_token_id: [128001, 128008, 128009],
    },
  },
  'Mistral-7B-v0.1': {
    parameters: 7_241_732_096,
    config: {
      model_type: 'mistral',
      hidden_size: 4096,
      intermediate_size: 14336,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      vocab_size: 32000,
      max_position_embeddings: 32768,
      rope_theta: 10000,
      sliding_window: 4096,
      tie_word_embeddings: false,
    },
  },
  'Qwen2.5-0.5B': {
    parameters: 494_032_768,
    config: {
      model_type: 'qwen2',
      hidden_size: 896,
      intermediate_size: 4864,
      num_hidden_layers: 24,
      num_attention_heads: 14,
      num_key_value_heads: 2,
      vocab_size: 151936,
      max_position_embeddings: 32768,
      max_window_layers: 24,
      sliding_window: 32768,
      use_sliding_window: false,
      rope_theta: 1000000,
      tie_word_embeddings: true,
      bos_token_id: 151643,
      eos_token_id: 151645,
    },
  },
  'Qwen3-0.6B': {
    parameters: 596_049_920,
    config: {
      model_type: 'qwen3',
      hidden_size: 1024,
      intermediate_size: 3072,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      head_dim: 128,
      vocab_size: 151936,
      max_position_embeddings: 40960,
      max_window_layers: 28,
      sliding_window: null,
      use_sliding_window: false,
      rope_scaling: null,
      rope_theta: 1000000,
      tie_word_embeddings: true,
    },
  },
  'OLMo-2-1B': {
    parameters: 1_484_916_736,
    config: {
      model_type: 'olmo2',
      hidden_size: 2048,
      intermediate_size: 8192,
      num_hidden_layers: 16,
      num_attention_heads: 16,
      num_key_value_heads: 16,
      vocab_size: 100352,
      max_position_embeddings: 4096,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 500000,
      eos_token_id: 100257,
      tie_word_embeddings: false,
    },
  },
  'Olmo-3-7B': {
    parameters: 7_298_011_136,
    config: {
      model_type: 'olmo3',
      hidden_size: 4096,
      intermediate_size: 11008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      vocab_size: 100278,
      max_position_embeddings: 65536,
      rms_norm_eps: 1e-6,
      rope_theta: 500000,
      rope_scaling: {
        attention_factor: 1.2079441541679836,
        beta_fast: 32,
        beta_slow: 1,
        factor: 8,
        original_max_position_embeddings: 8192,
        rope_type: 'yarn',
      },
      sliding_window: 4096,
      tie_word_embeddings: false,
      eos_token_id: 100257,
    },
  },
};

const parse = (name: keyof typeof published, change: object = {}) =>
  parseModelConfig({ ...published[name].config, ...change }, 'config.json');

describe.each(Object.entries(published))('%s', (_, { config, parameters }) => {
  const parsed = parseModelConfig(config, 'config.json');

  it('has as many parameters as published', () => {
    expect(totalElements(modelTensors(parsed))).toBe(parameters);
  });

  it('is read back from its own config.json', () => {
    expect(parseModelConfig(modelConfigJson(parsed), 'config.json')).toEqual(parsed);
  });
});

describe('parseModelConfig, by family', () => {
  it('gives Llama the biases that its configuration asks for', () => {
    expect(parse('SmolLM2-135M').architecture).toEqual(llamaArchitecture);
    expect(parse('SmolLM2-135M', { attention_bias: true, mlp_bias: true }).architecture.biases).toEqual({
      queryKeyValue: true,
      attentionOutput: true,
      feedForward: true,
    });
  });

  it('reads the scaling of Llama 3', () => {
    expect(parse('Llama-3.2-1B').rope).toEqual({
      theta: 500000,
      scaling: {
        kind: 'llama3',
        factor: 32,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalContext: 8192,
      },
    });
  });

  it('gives every layer of Mistral its window, unless that is null', () => {
    const config = parse('Mistral-7B-v0.1');
    expect(config.architecture.slidingWindow).toMatchObject({ tokens: 4096 });
    for (let layer = 0; layer < 32; layer++) expect(layerSight(config, layer).window).toBe(4096);
    expect(parse('Mistral-7B-v0.1', { sliding_window: null }).architecture).toEqual(llamaArchitecture);
  });

  it('gives Qwen2 biases, and windows only where they are switched on', () => {
    expect(parse('Qwen2.5-0.5B').architecture).toEqual({
      ...llamaArchitecture,
      biases: { queryKeyValue: true, attentionOutput: false, feedForward: false },
    });
    const windowed = parse('Qwen2.5-0.5B', { use_sliding_window: true, max_window_layers: 22 });
    expect(windowed.architecture.slidingWindow).toMatchObject({ tokens: 32768, layers: [22, 23] });
    expect(layerSight(windowed, 21)).toEqual({ rope: windowed.rope });
  });

  it('gives Qwen3 a norm per head and heads of their own length', () => {
    const config = parse('Qwen3-0.6B');
    expect(config.headDim * config.heads).toBe(2 * config.hiddenSize);
    expect(config.architecture).toMatchObject({ norms: 'before', queryKeyNorm: 'head' });
    expect(modelTensors(config).get('model.layers.0.self_attn.q_norm.weight')).toEqual([128]);
    expect(parse('Qwen3-0.6B', { head_dim: undefined, hidden_size: 768 }).headDim).toBe(128);
  });

  it('puts the norms of OLMo 2 after its sublayers, and normalises whole projections', () => {
    const config = parse('OLMo-2-1B', { num_key_value_heads: 4 });
    expect(config.architecture).toMatchObject({ norms: 'after', queryKeyNorm: 'projection' });
    const tensors = modelTensors(config);
    expect(tensors.has('model.layers.0.input_layernorm.weight')).toBe(false);
    expect(tensors.get('model.layers.0.post_feedforward_layernorm.weight')).toEqual([2048]);
    expect(tensors.get('model.layers.0.self_attn.q_norm.weight')).toEqual([2048]);
    expect(tensors.get('model.layers.0.self_attn.k_norm.weight')).toEqual([512]);
  });

  it('gives three of four layers of OLMo 3 a window, in which positions are not scaled', () => {
    const config = parse('Olmo-3-7B');
    expect(layerSight(config, 2)).toEqual({ window: 4096, rope: { theta: 500000 } });
    expect(layerSight(config, 3)).toEqual({ rope: config.rope });
    expect(config.rope.scaling).toMatchObject({ kind: 'yarn', factor: 8, wholeChannels: true });
    expect(config.architecture.slidingWindow?.layers).toHaveLength(24);
  });

  it('reads the layer types and the rope of each type that newer files write', () => {
    const { rope_theta, rope_scaling, ...rest } = published['Olmo-3-7B'].config;
    const newer = {
      ...rest,
      layer_types: Array.from({ length: 32 }, (_, i) => (i === 5 ? 'sliding_attention' : 'full_attention')),
      rope_parameters: {
        full_attention: { ...rope_scaling, rope_theta },
        sliding_attention: { rope_type: 'default', rope_theta: 1000 },
      },
    };
    const config = parseModelConfig(newer, 'config.json');
    expect(config.rope).toEqual(parse('Olmo-3-7B').rope);
    expect(config.architecture.slidingWindow).toMatchObject({ layers: [5], rope: { theta: 1000 } });
  });

  it.each<[object, string]>([
    [{ layer_types: ['full_attention'] }, 'layer_types: is not a list of 32 layers'],
    [
      { layer_types: Array.from({ length: 32 }, () => 'linear_attention') },
      'layer_types: "linear_attention" is not supported',
    ],
    [{ sliding_window: 0 }, 'sliding_window: 0 is not a positive whole number'],
  ])('refuses %j', (change, message) => {
    expect(() => parse('Olmo-3-7B', change)).toThrow(message);
  });

  it('infers the attention factor of YaRN from its factor, or from a ratio', () => {
    const yarn = (more: object) =>
      parse('Qwen2.5-0.5B', {
        rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 8192, ...more },
      }).rope.scaling;
    expect(yarn({})).toMatchObject({ attentionFactor: 0.1 * Math.log(4) + 1 });
    expect(yarn({ mscale: 1, mscale_all_dim: 1 })).toMatchObject({ attentionFactor: 1 });
    expect(yarn({ attention_factor: 1.5 })).toMatchObject({ attentionFactor: 1.5 });
    expect(yarn({ factor: 1 })).toMatchObject({ attentionFactor: 1 });
    expect(yarn({ factor: null })).toMatchObject({ factor: 4 });
  });
});

describe('modelTensors', () => {
  it('lets biases follow the matrices that are read as one', () => {
    const names = [...modelTensors(parse('Qwen2.5-0.5B')).keys()].slice(2, 8);
    expect(names).toEqual(
      ['weight', 'bias'].flatMap((kind) =>
        ['q', 'k', 'v'].map((map) => `model.layers.0.self_attn.${map}_proj.${kind}`),
      ),
    );
  });

  it('has an output projection only when embeddings are not tied', () => {
    const [tied, untied] = [parse('SmolLM2-135M'), parse('SmolLM2-135M', { tie_word_embeddings: false })];
    expect(modelTensors(tied).has('lm_head.weight')).toBe(false);
    expect(modelTensors(untied).get('lm_head.weight')).toEqual([49152, 576]);
    expect(isRedundantTensor(tied, 'lm_head.weight')).toBe(true);
    expect(isRedundantTensor(untied, 'lm_head.weight')).toBe(false);
  });
});
