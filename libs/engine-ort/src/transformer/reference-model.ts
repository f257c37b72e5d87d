import type { ModelConfig, WeightSet } from '@backsight/engine';
import type { Sequence } from './sequence.js';

/**
 * A Llama forward pass in float64, one position at a time and nothing clever: what the graphs are held to in tests.
 *
 * Returns the logits that predict each completion token. Shape [T, V].
 */
export function referenceLogits(
  config: ModelConfig,
  weights: WeightSet,
  sequence: Sequence,
): readonly Vector[] {
  const { layers, hiddenSize, rmsNormEpsilon, tiedEmbeddings } = config;
  const tensor = (name: string): Float32Array => weights.tensor(name).values;
  const { promptIds, completionIds } = sequence;
  const ids = [...promptIds, ...completionIds.slice(0, -1)];
  let stream = ids.map((id) => [
    ...tensor('model.embed_tokens.weight').subarray(id * hiddenSize, (id + 1) * hiddenSize),
  ]);
  for (let index = 0; index < layers; index++) {
    const matrix = (name: string) => tensor(`model.layers.${index}.${name}.weight`);
    const normal = stream.map((x) => rmsNorm(x, matrix('input_layernorm'), rmsNormEpsilon));
    const mixed = attention(config, matrix, normal);
    stream = stream.map((x, t) => sum(x, times(matrix('self_attn.o_proj'), mixed[t] ?? [])));
    stream = stream.map((x) => {
      const y = rmsNorm(x, matrix('post_attention_layernorm'), rmsNormEpsilon);
      const up = times(matrix('mlp.up_proj'), y);
      const gated = times(matrix('mlp.gate_proj'), y).map((g, i) => (g / (1 + Math.exp(-g))) * (up[i] ?? 0));
      return sum(x, times(matrix('mlp.down_proj'), gated));
    });
  }
  const output = tensor(tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
  return stream
    .slice(promptIds.length - 1)
    .map((x) => times(output, rmsNorm(x, tensor('model.norm.weight'), rmsNormEpsilon)));
}

type Vector = readonly number[];

function attention(
  { heads, keyValueHeads, headDim, rope }: ModelConfig,
  matrix: (name: string) => Float32Array,
  inputs: readonly Vector[],
): readonly Vector[] {
  const split = (name: string, position: number, x: Vector, turned: boolean) => {
    const whole = times(matrix(`self_attn.${name}_proj`), x);
    const count = whole.length / headDim;
    return Array.from({ length: count }, (_, head) => {
      const part = whole.slice(head * headDim, (head + 1) * headDim);
      return turned ? turn(part, position, rope.theta) : part;
    });
  };
  const queries = inputs.map((x, t) => split('q', t, x, true));
  const keys = inputs.map((x, t) => split('k', t, x, true));
  const values = inputs.map((x, t) => split('v', t, x, false));
  return inputs.map((_, t) =>
    Array.from({ length: heads }, (_, head) => {
      const shared = Math.floor(head / (heads / keyValueHeads));
      const scores = keys
        .slice(0, t + 1)
        .map((key) => dot(queries[t]?.[head] ?? [], key[shared] ?? []) / Math.sqrt(headDim));
      const highest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - highest));
      const total = weights.reduce((a, b) => a + b, 0);
      return Array.from({ length: headDim }, (_, i) =>
        weights.reduce((mixed, weight, s) => mixed + (weight / total) * (values[s]?.[shared]?.[i] ?? 0), 0),
      );
    }).flat(),
  );
}

/** Rotates the pairs (i, i + d/2) by position times theta^(-2i/d). */
function turn(x: Vector, position: number, theta: number): Vector {
  const half = x.length / 2;
  return x.map((value, i) => {
    const angle = position * theta ** ((-2 * (i % half)) / x.length);
    const other = i < half ? -(x[i + half] ?? 0) : (x[i - half] ?? 0);
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}

function rmsNorm(x: Vector, weight: Float32Array, epsilon: number): Vector {
  const scale = 1 / Math.sqrt(dot(x, x) / x.length + epsilon);
  return x.map((value, i) => value * scale * (weight[i] ?? 0));
}

/** Matrix [out, in] times vector [in]. */
function times(matrix: Float32Array, x: Vector): number[] {
  const product: number[] = [];
  for (let begin = 0; begin < matrix.length; begin += x.length) {
    let total = 0;
    for (let i = 0; i < x.length; i++) total += (x[i] ?? 0) * (matrix[begin + i] ?? 0);
    product.push(total);
  }
  return product;
}

function dot(x: Vector, y: Vector): number {
  return x.reduce((total, value, i) => total + value * (y[i] ?? 0), 0);
}

function sum(x: Vector, y: Vector): number[] {
  return x.map((value, i) => value + (y[i] ?? 0));
}
