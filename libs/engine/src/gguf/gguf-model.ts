import { CheckpointError } from '../errors.js';
import { parseModelConfig } from '../model-config-json.js';
import type { ModelConfig } from '../model-config.js';
import { writeModelFolder } from '../model-folder.js';
import { modelTensors } from '../model-tensors.js';
import { WeightSet } from '../weights.js';
import { GgufFile } from './gguf-file.js';
import type { GgufTensor } from './gguf-header.js';
import { GgufMetadata } from './gguf-metadata.js';
import { tokenizerFiles } from './gguf-tokenizer.js';

/**
 * Writes a GGUF file's model as a Hugging Face folder: weights decoded to float32, config.json, tokenizer, chat template.
 *
 * Quantised weights come out as what the quantisation left of them. Models of `general.architecture` "llama" are read.
 * Throws `CheckpointError` naming what is wrong before any weight is decoded. `progress` is told tensors done and in all.
 */
export async function convertGguf(
  path: string,
  folder: string,
  progress: (done: number, total: number) => void = () => undefined,
): Promise<void> {
  const file = await GgufFile.open(path);
  try {
    const metadata = new GgufMetadata(file.header.metadata, path);
    const config = configOf(metadata, file);
    const files = tokenizerFiles(metadata);
    const sources = locate(file, config);
    const weights = new WeightSet(modelTensors(config));
    let done = 0;
    for (const { name, values } of weights.tensors.values()) {
      const source = sources.get(name);
      if (source === undefined) throw new Error(`Tensor ${name} was not located.`);
      await file.read(source, values);
      if (isTurned(name)) pairHalves(values, config);
      done += 1;
      progress(done, weights.tensors.size);
    }
    await writeModelFolder(folder, { config, weights, files });
  } finally {
    await file.close();
  }
}

function configOf(metadata: GgufMetadata, file: GgufFile): ModelConfig {
  const architecture = metadata.text('general.architecture');
  if (architecture !== 'llama')
    throw metadata.fail('general.architecture', `"${architecture}" is not supported; "llama" is`);
  for (const key of ['rope.scaling.type', 'expert_count'])
    if (metadata.has(`llama.${key}`)) throw metadata.fail(`llama.${key}`, 'is not supported');
  const number = (key: string) => metadata.number(`llama.${key}`);
  const vocabulary = metadata.texts('tokenizer.ggml.tokens').length;
  const heads = number('attention.head_count');
  return parseModelConfig(
    {
      model_type: 'llama',
      hidden_size: number('embedding_length'),
      intermediate_size: number('feed_forward_length'),
      num_hidden_layers: number('block_count'),
      num_attention_heads: heads,
      num_key_value_heads: metadata.optionalNumber('llama.attention.head_count_kv') ?? heads,
      head_dim: metadata.optionalNumber('llama.attention.key_length') ?? number('embedding_length') / heads,
      vocab_size: vocabulary,
      max_position_embeddings: number('context_length'),
      // Stored in float32, as which 1e-5 is 9.999999747e-6.
      rms_norm_eps: Number(number('attention.layer_norm_rms_epsilon').toPrecision(6)),
      rope_theta: metadata.optionalNumber('llama.rope.freq_base') ?? 10_000,
      tie_word_embeddings: !file.header.tensors.has('output.weight'),
      bos_token_id: metadata.optionalNumber('tokenizer.ggml.bos_token_id') ?? null,
      eos_token_id: metadata.optionalNumber('tokenizer.ggml.eos_token_id') ?? null,
    },
    file.path,
  );
}

/** The GGUF tensor of every tensor of the model, shapes checked; none may be left over. */
function locate(file: GgufFile, config: ModelConfig): ReadonlyMap<string, GgufTensor> {
  const { tensors } = file.header;
  const fail = (tensor: string, problem: string) =>
    new CheckpointError({ reason: 'invalid', file: file.path, tensor, problem });
  const left = new Set(tensors.keys());
  const sources = new Map<string, GgufTensor>();
  for (const [name, shape] of modelTensors(config)) {
    const stored = ggufName(name);
    const tensor = tensors.get(stored);
    if (tensor === undefined) throw fail(stored, `is missing; expected shape [${shape.join(', ')}]`);
    if (tensor.shape.join() !== shape.join())
      throw fail(stored, `expected shape [${shape.join(', ')}], found [${tensor.shape.join(', ')}]`);
    sources.set(name, tensor);
    left.delete(stored);
  }
  for (const stored of left) throw fail(stored, 'is not a tensor of a Llama that is read');
  return sources;
}

function ggufName(name: string): string {
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const stored = part === undefined ? outerNames[name] : layerNames[part];
  if (stored === undefined) throw new Error(`A Llama has no ${name}.`);
  return layer === undefined ? stored : `blk.${layer}.${stored}.weight`;
}

const outerNames: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

const layerNames: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** Whether a projection's outputs are turned by their positions. */
function isTurned(name: string): boolean {
  return name.endsWith('.q_proj.weight') || name.endsWith('.k_proj.weight');
}

/**
 * Reorders the rows of each head: llama.cpp turns rows 2c and 2c + 1 together, Hugging Face rows c and c + d/2.
 *
 * Shape [heads d, D], in place.
 */
function pairHalves(values: Float32Array, { headDim, hiddenSize }: ModelConfig): void {
  const headSize = headDim * hiddenSize;
  for (let begin = 0; begin < values.length; begin += headSize) {
    const stored = values.slice(begin, begin + headSize);
    for (let row = 0; row < headDim; row++) {
      const from = row < headDim / 2 ? 2 * row : 2 * row - headDim + 1;
      values.set(stored.subarray(from * hiddenSize, (from + 1) * hiddenSize), begin + row * hiddenSize);
    }
  }
}
