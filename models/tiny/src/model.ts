/** The tiny policy's shape, and the text files of its Hugging Face folder. */

import { llamaArchitecture, type ModelConfig } from '@backsight/engine';
import { createRenderer, type Renderer } from '@backsight/renderer';
import {
  chatTemplate,
  specialTokens,
  tokenizerConfigJson,
  tokenizerJson,
  vocabularySize,
} from './tokenizer.js';

const idOf = (token: (typeof specialTokens)[number]): number => specialTokens.indexOf(token);

/** About 0.74 million parameters. */
export const tinyConfig: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 128,
  intermediateSize: 320,
  layers: 4,
  heads: 4,
  keyValueHeads: 2,
  headDim: 32,
  vocabularySize: vocabularySize(),
  rmsNormEpsilon: 1e-5,
  rope: { theta: 10_000 },
  architecture: llamaArchitecture,
  tiedEmbeddings: true,
  contextWindow: 256,
  bosId: idOf('<bos>'),
  stopIds: [idOf('<eos>')],
};

/** Every text file of the folder but config.json, by name. */
export function tinyTexts(): Readonly<Record<string, string>> {
  const special = {
    bos_token_id: idOf('<bos>'),
    eos_token_id: idOf('<eos>'),
    pad_token_id: idOf('<pad>'),
  };
  return {
    'generation_config.json': asFile({ ...special, do_sample: true, temperature: 1, top_p: 1 }),
    'tokenizer.json': asFile(tokenizerJson()),
    'tokenizer_config.json': asFile(tokenizerConfigJson(tinyConfig.contextWindow)),
  };
}

export function tinyRenderer(): Renderer {
  return createRenderer({
    tokenizerJson: JSON.stringify(tokenizerJson()),
    tokenizerConfigJson: JSON.stringify(tokenizerConfigJson(tinyConfig.contextWindow)),
    chatTemplate,
  });
}

function asFile(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
