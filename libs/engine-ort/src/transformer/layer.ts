import type { ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { matmul } from '../graph/ops/matmul.js';
import { multiply } from '../graph/ops/multiply.js';
import { rmsNorm } from '../graph/ops/rms-norm.js';
import { silu } from '../graph/ops/silu.js';
import { split } from '../graph/ops/split.js';
import type { Value } from '../graph/value.js';
import type { LayerWeights } from './parameters.js';

/**
 * One Llama layer: pre-norm attention, then a pre-norm gated feed-forward (SwiGLU), each added to the stream.
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
): Value {
  const attended = graph.scope('attention', () => {
    const normal = rmsNorm(graph, stream, weights.attentionNorm, config.rmsNormEpsilon);
    const mixed = attend(matmul(graph, normal, weights.qkv, { transposeRight: true }));
    const written = matmul(graph, keep(mixed), weights.attentionOutput, { transposeRight: true });
    return add(graph, keep(stream), written);
  });
  return graph.scope('feed_forward', () => {
    const normal = rmsNorm(graph, attended, weights.feedForwardNorm, config.rmsNormEpsilon);
    const both = matmul(graph, normal, weights.gateUp, { transposeRight: true });
    const [gate, up] = split(graph, both, -1, [config.intermediateSize, config.intermediateSize]);
    if (gate === undefined || up === undefined) throw new Error('A split has two parts.');
    const gated = multiply(graph, silu(graph, gate), up);
    return add(graph, attended, matmul(graph, gated, weights.down, { transposeRight: true }));
  });
}
