import type { ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { multiply } from '../graph/ops/multiply.js';
import { reshape } from '../graph/ops/reshape.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import { silu } from '../graph/ops/silu.js';
import { dimension, type Value } from '../graph/value.js';
import { addLowRank, type LowRank } from './adapters.js';
import type { LayerWeights } from './parameters.js';
import { byRows, type Products } from './products.js';
import { queryKeyNorm } from './query-key-norm.js';

/**
 * One layer: attention, then a gated feed-forward (SwiGLU), each normalised before or after and added to the stream.
 *
 * Shape [M, D] -> [M, D]. `attend` maps [M, (H + 2 KV) d] to [M, H d]; `keep` picks rows once no other row is looked at
 * any more, so that the last layer works on those alone.
 */
export function layer(
  graph: Graph,
  config: ModelConfig,
  weights: LayerWeights,
  stream: Value,
  attend: (qkv: Value) => Value,
  keep: (rows: Value) => Value = (rows) => rows,
  products: Products = byRows,
): Value {
  const { norms } = config.architecture;
  const { adapters } = weights;
  const norm = (value: Value, weight: Value) => rmsNorm(graph, value, weight, config.rmsNormEpsilon);
  const read = (value: Value, weight: Value) => (norms === 'before' ? norm(value, weight) : value);
  const linear = (
    kind: 'linear' | 'into' | 'outOf',
    input: Value,
    weight: Value,
    bias: Value | undefined,
    adapter: LowRank | undefined,
  ) => {
    const product = products[kind](graph, input, weight);
    const biased = bias === undefined ? product : add(graph, product, kind === 'into' ? inner(bias) : bias);
    return adapter === undefined ? biased : addLowRank(graph, biased, input, adapter);
  };
  const inner = (bias: Value) =>
    products.channels === 1 ? bias : reshape(graph, bias, [dimension(bias, 0), 1]);
  const written = (value: Value, weight: Value) => (norms === 'after' ? norm(value, weight) : value);

  const attended = graph.scope('attention', () => {
    const input = read(stream, weights.attentionNorm);
    const qkv = graph.retain(linear('linear', input, weights.qkv, weights.qkvBias, adapters.qkv));
    const mixed = graph.retain(keep(attend(queryKeyNorm(graph, config, weights, qkv))));
    const { attentionOutput, attentionOutputBias } = weights;
    const output = linear('linear', mixed, attentionOutput, attentionOutputBias, adapters.attentionOutput);
    return graph.retain(add(graph, keep(stream), written(output, weights.attentionNorm)));
  });
  return graph.scope('feed_forward', () => {
    const input = read(attended, weights.feedForwardNorm);
    const gate = graph.retain(linear('into', input, weights.gate, weights.gateBias, adapters.gate));
    const up = graph.retain(linear('into', input, weights.up, weights.upBias, adapters.up));
    const gated = multiply(graph, silu(graph, gate), up);
    const output = linear('outOf', gated, weights.down, weights.downBias, adapters.down);
    return add(graph, attended, written(output, weights.feedForwardNorm));
  });
}
