import type { ModelConfig } from './model-config.js';
import { modelTensors } from './model-tensors.js';
import { philox, seedKey, toUniform } from './philox.js';
import { WeightSet } from './weights.js';

/**
 * Fresh weights for pre-training: norms at 1, biases at 0, matrices from N(0, deviation^2), those that write into the residual
 * stream from N(0, deviation^2 / 2L). The same seed gives the same bits.
 */
export function randomWeights(config: ModelConfig, seed: number, deviation = 0.02): WeightSet {
  const weights = new WeightSet(modelTensors(config));
  let tensor = 0;
  for (const { name, values } of weights.tensors.values()) {
    const residual = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');
    if (name.endsWith('norm.weight')) values.fill(1);
    else if (!name.endsWith('.bias'))
      fillNormal(values, seed, tensor, residual ? deviation / Math.sqrt(2 * config.layers) : deviation);
    tensor += 1;
  }
  return weights;
}

/** Fills with draws from N(0, deviation^2) by the Box-Muller transform; `stream` separates arrays of one seed. */
function fillNormal(values: Float32Array, seed: number, stream: number, deviation: number): void {
  const key = seedKey(seed);
  for (let i = 0; i < values.length; i++) {
    const [a, b, c, d] = philox(key, [i, stream, 0, 1]);
    // 1 - u is in (0, 1], where the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - toUniform(a, b)));
    values[i] = deviation * radius * Math.cos(2 * Math.PI * toUniform(c, d));
  }
}
