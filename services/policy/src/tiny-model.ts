/** The shape of a model for tests that run a real engine. */
import { llamaArchitecture, type ModelConfig } from '@backsight/engine';

/** A Llama of a few thousand weights; large random ones give it opinions. */
export const tinyConfig: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 16,
  intermediateSize: 24,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headDim: 16,
  vocabularySize: 24,
  rmsNormEpsilon: 1e-5,
  rope: { theta: 10000 },
  architecture: llamaArchitecture,
  tiedEmbeddings: true,
  contextWindow: 48,
  stopIds: [2],
};
