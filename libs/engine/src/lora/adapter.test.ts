import { describe, expect, it } from '@jest/globals';
import { llamaArchitecture, type ModelConfig } from '../model-config.js';
import { randomWeights } from '../random-weights.js';
import { WeightSet } from '../weights.js';
import { changesNothing, freshAdapter, mergeAdapter } from './adapter.js';
import { adapterTable, adapterTargets, type AdapterSettings } from './adapter-settings.js';
import { toyConfig } from '../toy-model.js';

const config: ModelConfig = {
  ...toyConfig,
  modelType: 'qwen2',
  // Biases are no matrices.
  architecture: {
    ...llamaArchitecture,
    biases: { queryKeyValue: true, attentionOutput: false, feedForward: false },
  },
};
const settings: AdapterSettings = { rank: 3, alpha: 6, targets: ['v_proj', 'q_proj', 'down_proj'] };

describe('adapterTable', () => {
  it('lists A and B of every target, layer by layer in storage order', () => {
    const layer = (n: number) => [
      [`model.layers.${n}.self_attn.q_proj.lora_A.weight`, [3, 8]],
      [`model.layers.${n}.self_attn.q_proj.lora_B.weight`, [8, 3]],
      [`model.layers.${n}.self_attn.v_proj.lora_A.weight`, [3, 8]],
      [`model.layers.${n}.self_attn.v_proj.lora_B.weight`, [4, 3]],
      [`model.layers.${n}.mlp.down_proj.lora_A.weight`, [3, 12]],
      [`model.layers.${n}.mlp.down_proj.lora_B.weight`, [8, 3]],
    ];
    expect([...adapterTable(config, settings)]).toEqual([...layer(0), ...layer(1)]);
  });

  it('has a pair of factors for each of the seven matrices of a layer', () => {
    expect(adapterTable(config, { ...settings, targets: adapterTargets }).size).toBe(2 * 7 * 2);
  });
});

describe('freshAdapter', () => {
  it('changes nothing yet, and draws A within 1 / sqrt(in) from its seed', () => {
    const base = randomWeights(config, 1);
    const adapter = freshAdapter(config, settings, 4);
    const merged = base.clone();
    mergeAdapter(config, base, adapter, merged);
    expect([...merged.flat]).toEqual([...base.flat]);
    expect(changesNothing(config, adapter)).toBe(true);
    adapter.factors.tensor('model.layers.1.mlp.down_proj.lora_B.weight').values[5] = 1e-9;
    expect(changesNothing(config, adapter)).toBe(false);
    adapter.factors.tensor('model.layers.1.mlp.down_proj.lora_B.weight').values[5] = 0;
    const a = adapter.factors.tensor('model.layers.1.mlp.down_proj.lora_A.weight').values;
    const largest = Math.max(...a.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(12));
    expect(largest).toBeGreaterThan(0.8 / Math.sqrt(12));
    expect(freshAdapter(config, settings, 4).factors.equals(adapter.factors)).toBe(true);
    expect(freshAdapter(config, settings, 5).factors.equals(adapter.factors)).toBe(false);
  });
});

describe('mergeAdapter', () => {
  it('adds alpha / rank times B A to the targets and leaves the rest alone', () => {
    const base = randomWeights(config, 1);
    const factors = new WeightSet(adapterTable(config, settings));
    factors.flat.forEach((_, i) => (factors.flat[i] = Math.sin(i)));
    const merged = base.clone();
    mergeAdapter(config, base, { settings, factors }, merged);
    for (const { name, shape, values } of merged.tensors.values()) {
      const before = base.tensor(name).values;
      const stem = name.replace(/weight$/, '');
      if (!factors.tensors.has(`${stem}lora_A.weight`)) {
        expect([...values]).toEqual([...before]);
        continue;
      }
      const [a, b] = ['A', 'B'].map((factor) => factors.tensor(`${stem}lora_${factor}.weight`).values);
      const width = shape[1]!;
      values.forEach((value, i) => {
        const [row, column] = [Math.floor(i / width), i % width];
        let product = 0;
        for (let k = 0; k < 3; k++) product += b![row * 3 + k]! * a![k * width + column]!;
        expect(value).toBe(Math.fround(before[i]! + (6 / 3) * product));
      });
    }
  });
});
