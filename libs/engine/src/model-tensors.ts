import type { ModelConfig } from './model-config.js';
import type { TensorTable } from './weights.js';

/**
 * Every trainable tensor of the model by its Hugging Face name, in the order of the layers. Matrices are [out, in].
 *
 * Projections of the same input follow each other, as do their biases, so that engines can read them as one matrix.
 */
export function modelTensors(config: ModelConfig): TensorTable {
  const { hiddenSize: d, intermediateSize: f, vocabularySize: v, headDim, architecture } = config;
  const { norms, queryKeyNorm, biases } = architecture;
  const queries = config.heads * headDim;
  const keys = config.keyValueHeads * headDim;
  const table = new Map<string, readonly number[]>([['model.embed_tokens.weight', [v, d]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (name: string, shape: readonly number[]) => table.set(`model.layers.${layer}.${name}`, shape);
    const linear = (
      maps: readonly (readonly [name: string, out: number])[],
      width: number,
      bias: boolean,
    ) => {
      for (const [name, out] of maps) add(`${name}.weight`, [out, width]);
      if (bias) for (const [name, out] of maps) add(`${name}.bias`, [out]);
    };
    if (norms === 'before') add('input_layernorm.weight', [d]);
    linear(
      [
        ['self_attn.q_proj', queries],
        ['self_attn.k_proj', keys],
        ['self_attn.v_proj', keys],
      ],
      d,
      biases.queryKeyValue,
    );
    if (queryKeyNorm !== 'none') {
      const ofHead = queryKeyNorm === 'head';
      add('self_attn.q_norm.weight', [ofHead ? headDim : queries]);
      add('self_attn.k_norm.weight', [ofHead ? headDim : keys]);
    }
    linear([['self_attn.o_proj', d]], queries, biases.attentionOutput);
    add('post_attention_layernorm.weight', [d]);
    linear(
      [
        ['mlp.gate_proj', f],
        ['mlp.up_proj', f],
      ],
      d,
      biases.feedForward,
    );
    linear([['mlp.down_proj', d]], f, biases.feedForward);
    if (norms === 'after') add('post_feedforward_layernorm.weight', [d]);
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
