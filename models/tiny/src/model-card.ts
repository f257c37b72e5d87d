/** The README of the weights folder: what the model is, how it was made, what it can do. */

import { documentKinds } from './documents.js';
import { tinyConfig } from './model.js';
import type { PretrainingRecipe } from './pretrain.js';
import type { SkillScore } from './skills.js';

export function modelCard(
  recipe: PretrainingRecipe,
  threads: number,
  parameters: number,
  scores: readonly SkillScore[],
): string {
  const { hiddenSize, layers, heads, keyValueHeads, intermediateSize, vocabularySize, contextWindow } =
    tinyConfig;
  const kindShares = documentKinds.map((kind) => `${kind} ${recipe.mix.kinds[kind]}`).join(', ');
  return `---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# Backsight tiny

A Llama of ${parameters} parameters that writes short Python programs in a made-up world. It exists to be
post-trained in seconds on a CPU; it knows nothing else. \`npm run pretrain:tiny\` makes it again: bit for bit with
the same engine, ${threads} threads and a like processor.

| | |
| --- | --- |
| width | ${hiddenSize} |
| layers | ${layers} |
| heads, of queries and of keys and values | ${heads}, ${keyValueHeads} |
| feed-forward width | ${intermediateSize} |
| vocabulary | ${vocabularySize} |
| context | ${contextWindow} tokens |
| weights | float32, tied embeddings |
| initial weights | seed ${recipe.seed}, standard deviation ${recipe.initialDeviation} |
| documents | ${recipe.steps * recipe.documentsPerStep}: ${recipe.steps} steps of ${recipe.documentsPerStep} |
| shares of kinds | ${kindShares} |
| shares of one, two and three verbs | ${recipe.mix.verbs.join(', ')} |
| loss | negative log-likelihood of the answer, the mean over tokens |
| AdamW | rate ${recipe.learningRate}, beta2 ${recipe.beta2}, gradient norm at most ${recipe.maxGradientNorm}, no weight decay |
| rate | ${recipe.warmupSteps} steps of warm-up, flat for ${recipe.flatShare} of all steps, a cosine to ${recipe.finalShare} of it |
| licence | Apache-2.0, as the project |

All documents are synthetic, made by \`models/tiny/src/documents.ts\` from the seed; each has its own meanings of the
words, so the weights know none, only how to find them out.

The share of right programs in one sample at temperature 1, on fresh documents:

${skillLines(scores).join('\n')}
`;
}

/** A Markdown table. */
export function skillLines(scores: readonly SkillScore[]): readonly string[] {
  return [
    '| skill | task | documents | accuracy |',
    '| --- | --- | --- | --- |',
    ...scores.map(
      ({ name, task, documents, accuracy }) =>
        `| ${name} | ${task} | ${documents} | ${accuracy.toFixed(3)} |`,
    ),
  ];
}
