import { describe, expect, it } from '@jest/globals';
import { llamaArchitecture, type ModelConfig } from './model-config.js';
import { randomWeights } from './random-weights.js';

const config: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 64,
  intermediateSize: 96,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 16,
  vocabularySize: 100,
  rmsNormEpsilon: 1e-5,
  rope: { theta: 10000 },
  architecture: llamaArchitecture,
  tiedEmbeddings: false,
  contextWindow: 32,
  stopIds: [2],
};

describe('randomWeights', () => {
  it('gives the same bits for the same seed and other bits for another', () => {
    expect(randomWeights(config, 1).equals(randomWeights(config, 1))).toBe(true);
    expect(randomWeights(config, 1).equals(randomWeights(config, 2))).toBe(false);
  });

  it('sets norms to 1 and draws matrices with their deviation', () => {
    const weights = randomWeights(config, 3, 0.1);
    const deviationOf = (name: string) => {
      const { values } = weights.tensor(name);
      return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    };
    expect(weights.tensor('model.norm.weight').values.every((value) => value === 1)).toBe(true);
    expect(deviationOf('model.embed_tokens.weight') / 0.1).toBeCloseTo(1, 1);
    expect(deviationOf('lm_head.weight') / 0.1).toBeCloseTo(1, 1);
    expect(deviationOf('model.layers.0.self_attn.o_proj.weight') / (0.1 / Math.sqrt(4))).toBeCloseTo(1, 1);
    const [q, k] = ['q', 'k'].map(
      (kind) => weights.tensor(`model.layers.0.self_attn.${kind}_proj.weight`).values,
    );
    expect(q?.subarray(0, 8)).not.toEqual(k?.subarray(0, 8));
  });
});
