/** The shape of a model for tests that compute with its numbers. */
import { llamaArchitecture, type ModelConfig } from './model-config.js';

/** A Llama of a thousand weights. */
export const toyConfig: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 8,
  intermediateSize: 12,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 2,
  vocabularySize: 10,
  rmsNormEpsilon: 1e-5,
  rope: { theta: 10000 },
  architecture: llamaArchitecture,
  tiedEmbeddings: true,
  contextWindow: 32,
  stopIds: [2],
};
