import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadModelFolder } from '@backsight/engine';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeWeights } from './make-weights.js';
import { tinyConfig, tinyTexts } from './model.js';
import { tinyRecipe } from './pretrain.js';

describe('makeWeights', () => {
  let workplace = '';
  beforeAll(async () => {
    workplace = await mkdtemp(join(tmpdir(), 'backsight-tiny-'));
  });
  afterAll(() => rm(workplace, { recursive: true }));

  const lines: string[] = [];
  const make = async (name: string): Promise<string> => {
    const folder = join(workplace, name);
    await makeWeights({
      folder,
      recipe: { ...tinyRecipe, steps: 3, documentsPerStep: 8, warmupSteps: 1 },
      threads: 2,
      skillDocuments: 2,
      reportEvery: 1,
      print: (line) => lines.push(line),
      signal: new AbortController().signal,
    });
    return folder;
  };
  const digest = async (folder: string): Promise<string> =>
    createHash('sha256')
      .update(await readFile(join(folder, 'model.safetensors')))
      .digest('hex');

  it('makes the same bits again', async () => {
    const [one, other] = [await make('one'), await make('other')];
    expect(await digest(one)).toBe(await digest(other));
  });

  it('learns', () => {
    const losses = lines
      .slice(0, 4)
      .flatMap((line) => /loss ([\d.]+)/.exec(line)?.[1] ?? [])
      .map(Number);
    expect(losses).toHaveLength(3);
    expect(losses[2]).toBeLessThan(losses[0]! - 0.1);
    expect(losses[0]).toBeCloseTo(Math.log(tinyConfig.vocabularySize), 0);
  });

  it('writes a folder that an engine loads', async () => {
    const { config, texts } = await loadModelFolder(join(workplace, 'one'));
    expect(config).toEqual(tinyConfig);
    expect(texts.tokenizerJson).toBe(tinyTexts()['tokenizer.json']);
    expect(await readFile(join(workplace, 'one', 'README.md'), 'utf8')).toContain(
      '| FB2 | use feedback, two verbs | 2 |',
    );
  });
});
