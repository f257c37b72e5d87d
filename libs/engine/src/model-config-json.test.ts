import { describe, expect, it } from '@jest/globals';
import { llamaArchitecture, type ModelConfig } from './model-config.js';
import { modelConfigJson, parseModelConfig } from './model-config-json.js';

/** The configuration of a published 135M model, key for key. */
const published = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: 'silu',
  hidden_size: 576,
  initializer_range: 0.041666666666666664,
  intermediate_size: 1536,
  max_position_embeddings: 8192,
  model_type: 'llama',
  num_attention_heads: 9,
  num_hidden_layers: 30,
  num_key_value_heads: 3,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_interleaved: false,
  rope_scaling: null,
  rope_theta: 100000,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
  use_cache: true,
  vocab_size: 49152,
};

const parse = (change: object, generation?: Record<string, unknown>) =>
  parseModelConfig({ ...published, ...change }, 'config.json', generation);

describe('parseModelConfig', () => {
  it('reads a published configuration', () => {
    expect(parse({})).toEqual({
      modelType: 'llama',
      hiddenSize: 576,
      intermediateSize: 1536,
      layers: 30,
      heads: 9,
      keyValueHeads: 3,
      headDim: 64,
      vocabularySize: 49152,
      rmsNormEpsilon: 1e-5,
      rope: { theta: 100000 },
      architecture: llamaArchitecture,
      tiedEmbeddings: true,
      contextWindow: 8192,
      bosId: 1,
      stopIds: [2],
    });
  });

  it('takes the defaults of the family for what is left out', () => {
    const { hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, vocab_size } = published;
    const least = {
      model_type: 'llama',
      hidden_size,
      intermediate_size,
      num_hidden_layers,
      num_attention_heads,
      vocab_size,
    };
    expect(parseModelConfig(least, 'config.json')).toMatchObject({
      keyValueHeads: 9,
      rmsNormEpsilon: 1e-6,
      rope: { theta: 10000 },
      tiedEmbeddings: false,
      contextWindow: 2048,
      bosId: 1,
      stopIds: [2],
    });
  });

  it('reads rope_theta from rope_parameters too', () => {
    const change = { rope_theta: undefined, rope_parameters: { rope_theta: 5e5, rope_type: 'default' } };
    expect(parse(change).rope).toEqual({ theta: 5e5 });
  });

  it('reads one stop id, several or none, and lets generation_config.json decide', () => {
    expect(parse({ eos_token_id: [2, 7] }).stopIds).toEqual([2, 7]);
    expect(parse({ eos_token_id: null }).stopIds).toEqual([]);
    expect(parse({ eos_token_id: 2 }, { eos_token_id: [3, 4] }).stopIds).toEqual([3, 4]);
    expect(parse({ eos_token_id: 2 }, {}).stopIds).toEqual([2]);
  });

  it.each<[object, string]>([
    [
      { model_type: 'gemma2' },
      'config.json: model_type: "gemma2" is not supported; "llama", "mistral", "qwen2", "qwen3", "olmo2" and "olmo3" are',
    ],
    [{ model_type: undefined }, 'config.json: model_type: is missing; "llama", "mistral", '],
    [
      { architectures: ['LlamaForSequenceClassification'] },
      'architectures: ["LlamaForSequenceClassification"] has no "LlamaForCausalLM"',
    ],
    [
      { rope_scaling: { rope_type: 'longrope', factor: 8 } },
      'rope_scaling.rope_type: rotary scaling "longrope" is not supported',
    ],
    [{ rope_scaling: { type: 'dynamic' } }, 'rotary scaling "dynamic" is not supported'],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'rope_scaling.low_freq_factor: is missing'],
    [
      { rope_parameters: { rope_type: 'yarn', factor: 'x' } },
      'rope_parameters.factor: "x" is not a positive',
    ],
    [{ rope_scaling: 'yarn' }, 'rope_scaling: is not an object'],
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor: 0.5 is not supported'],
    [{ attention_bias: 1 }, 'attention_bias: 1 is neither true nor false'],
    [{ sliding_window: 4096 }, 'sliding_window: 4096 is not supported'],
    [{ hidden_act: 'gelu' }, 'hidden_act: "gelu" is not supported'],
    [{ attention_dropout: 0.1 }, 'attention_dropout: 0.1 is not supported'],
    [{ rope_interleaved: true }, 'rope_interleaved: true is not supported'],
    [{ quantization_config: { bits: 4 } }, 'quantization_config: {"bits":4} is not supported'],
    [{ hidden_size: undefined }, 'hidden_size: is missing'],
    [{ hidden_size: 577 }, 'head_dim: 64.11'],
    [{ head_dim: 7 }, 'head_dim: 7 is odd'],
    [{ num_key_value_heads: 2 }, 'num_key_value_heads: 2 does not divide num_attention_heads 9'],
    [{ num_hidden_layers: '30' }, 'num_hidden_layers: "30" is not a positive whole number'],
    [{ rms_norm_eps: -1 }, 'rms_norm_eps: -1 is not a positive number'],
    [{ tie_word_embeddings: 'yes' }, 'tie_word_embeddings: "yes" is neither true nor false'],
    [{ eos_token_id: 49152 }, 'eos_token_id: 49152 is not an id in [0, 49152)'],
  ])('refuses %j, naming file and key', (change, message) => {
    expect(() => parse(change)).toThrow(message);
  });

  it('names generation_config.json for its stop ids', () => {
    expect(() => parse({}, { eos_token_id: 'x' })).toThrow('generation_config.json: eos_token_id: "x"');
  });
});

describe('modelConfigJson', () => {
  it('is read back as the same configuration', () => {
    const plain = parse({});
    const { bosId: _, ...rest } = plain;
    const cases: ModelConfig[] = [plain, { ...plain, stopIds: [5, 6] }, { ...plain, stopIds: [] }, rest];
    for (const config of cases)
      expect(parseModelConfig(modelConfigJson(config), 'config.json')).toEqual(config);
  });
});
