import { describe, expect, it } from '@jest/globals';
import type { ModelConfig } from '@backsight/engine';
import { Session } from '../session.js';
import { testConfig, testWeights } from '../test-model.js';
import { Model } from './model.js';
import { hiddenGraph } from './scoring-graph.js';
import { packSequences } from './sequences.js';
import type { TrunkAttention } from './forward.js';

describe('trunkBlocks', () => {
  const slidingWindow = { tokens: 4, layers: [1], rope: testConfig.rope };
  const alternating = { ...testConfig, architecture: { ...testConfig.architecture, slidingWindow } };

  it.each([
    ['all before', testConfig],
    ['a window in one layer', alternating],
  ])('leaves what a trunk sees as it is: %s', async (_, config) => {
    // Trunks of no token, of fewer tokens than there are blocks, and of two lengths in one run.
    for (const lengths of [[1], [3], [18, 6]]) {
      const whole = await hidden(config, 1, lengths);
      for (const trunk of [2, 3, 8, 'fused'] as const) {
        const blocked = await hidden(config, trunk, lengths);
        expect(blocked.length).toBe(whole.length);
        blocked.forEach((value, i) => {
          expect(value).toBeCloseTo(whole[i]!, 5);
        });
      }
    }
  });
});

/** Final hidden states of completions of prompts of these lengths. */
async function hidden(
  config: ModelConfig,
  trunk: TrunkAttention,
  lengths: readonly number[],
): Promise<Float32Array> {
  const sequences = lengths.map((length, s) => ({
    promptIds: Array.from({ length }, (_, i) => (7 * i + s) % config.vocabularySize),
    completionIds: [3, 5, 8],
  }));
  const [batch] = packSequences(sequences, 64);
  const model = new Model(config, 64, 1);
  const session = await Session.load(hiddenGraph(config, trunk), 1);
  const outputs = await session.run({ ...model.feeds(testWeights(config).flat), ...batch!.feeds });
  await session.release();
  return outputs.floats('hidden');
}
