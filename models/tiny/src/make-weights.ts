/** Makes the tiny policy from nothing: random weights, pre-training, measurement, a Hugging Face folder. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadModelFolder, randomWeights, writeModelFolder } from '@backsight/engine';
import { loadOrtEngine } from '@backsight/engine-ort';
import { tinyConfig, tinyRenderer, tinyTexts } from './model.js';
import { modelCard, skillLines } from './model-card.js';
import { pretrain, type PretrainingProgress, type PretrainingRecipe } from './pretrain.js';
import { measureSkills, type SkillScore } from './skills.js';

export interface MakeWeightsOptions {
  /** The folder to write. */
  readonly folder: string;
  readonly recipe: PretrainingRecipe;
  readonly threads: number;
  /** Fresh documents per skill. */
  readonly skillDocuments: number;
  /** Steps between two progress lines. */
  readonly reportEvery: number;
  /** Takes one line. */
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Padded tokens of a forward and backward pass: a step of 64 documents in a few passes of like lengths. */
const microBatchTokens = 2048;

/** Writes config.json, model.safetensors, the tokenizer and a README; returns the measured skills. */
export async function makeWeights(options: MakeWeightsOptions): Promise<readonly SkillScore[]> {
  const { folder, recipe, print, signal } = options;
  const workplace = await mkdtemp(join(tmpdir(), 'backsight-pretrain-'));
  try {
    const initial = join(workplace, 'initial');
    const weights = randomWeights(tinyConfig, recipe.seed, recipe.initialDeviation);
    await writeModelFolder(initial, { config: tinyConfig, weights, files: tinyTexts() });
    const engine = await loadOrtEngine({
      modelFolder: initial,
      checkpointFolder: join(workplace, 'checkpoints'),
      threads: options.threads,
      generationSlots: 64,
      microBatchTokens,
    });
    try {
      const renderer = tinyRenderer();
      print(
        `${engine.card.parameterCount} parameters, ${recipe.steps} steps of ${recipe.documentsPerStep} documents`,
      );
      await pretrain(engine, renderer, recipe, progressPrinter(options), signal);
      const skills = await measureSkills(
        engine,
        renderer,
        { documents: options.skillDocuments, seed: recipe.seed + 1 },
        signal,
      );
      for (const line of skillLines(skills)) print(line);
      const { config, weights: trained } = await loadModelFolder(await engine.exportCheckpoint('pretrained'));
      const files = {
        ...tinyTexts(),
        'README.md': modelCard(recipe, options.threads, engine.card.parameterCount, skills),
      };
      await writeModelFolder(folder, { config, weights: trained, files });
      return skills;
    } finally {
      await engine.close();
    }
  } finally {
    await rm(workplace, { recursive: true, force: true });
  }
}

/** Prints documents, mean loss since the last line, tokens a second and the time left. */
function progressPrinter({
  recipe,
  reportEvery,
  print,
}: MakeWeightsOptions): (progress: PretrainingProgress) => void {
  const begin = performance.now();
  let losses: number[] = [];
  return ({ step, documents, tokens, loss }) => {
    losses.push(loss);
    if (step % reportEvery !== 0 && step !== recipe.steps) return;
    const seconds = (performance.now() - begin) / 1000;
    const mean = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    losses = [];
    const left = Math.round((seconds / step) * (recipe.steps - step));
    print(
      [
        `step ${step}/${recipe.steps}`,
        `${documents} documents`,
        `loss ${mean.toFixed(4)}`,
        `${Math.round(tokens / seconds)} tokens/s`,
        `${Math.floor(left / 60)} min ${left % 60} s left`,
      ].join('  '),
    );
  };
}
