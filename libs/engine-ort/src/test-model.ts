import {
  llamaArchitecture,
  randomWeights,
  writeModelFolder,
  type ModelConfig,
  type WeightSet,
} from '@backsight/engine';

/** A Llama of about 13,000 weights, with two queries per key, for tests. */
export const testConfig: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 24,
  intermediateSize: 40,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 16,
  vocabularySize: 31,
  rmsNormEpsilon: 1e-5,
  rope: { theta: 1000 },
  architecture: llamaArchitecture,
  tiedEmbeddings: true,
  contextWindow: 50,
  stopIds: [2],
};

/** Weights large enough that the test model has opinions. */
export function testWeights(config: ModelConfig = testConfig, seed = 1): WeightSet {
  return randomWeights(config, seed, 0.3);
}

/** Writes the test model as a Hugging Face folder. */
export async function writeTestModel(folder: string, config: ModelConfig = testConfig): Promise<void> {
  await writeModelFolder(folder, {
    config,
    weights: testWeights(config),
    files: { 'tokenizer.json': '{}' },
  });
}
