import { describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { parseOverride, readRecipe } from './recipe-file.js';

const withRecipe = async (text: string, check: (path: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'recipe-'));
  try {
    const path = join(folder, 'recipe.yaml');
    await writeFile(path, text);
    await check(path);
  } finally {
    await rm(folder, { recursive: true });
  }
};

describe('readRecipe', () => {
  it('sets nested keys and keeps the others', async () => {
    await withRecipe('# mine\nsteps: 4\npolicy: { address: a }\n', async (path) => {
      const text = await readRecipe(path, [
        [['policy', 'address'], 'b'],
        [['seed'], 7],
      ]);
      expect(text).toContain('# mine');
      expect(parse(text)).toEqual({ steps: 4, policy: { address: 'b' }, seed: 7 });
    });
  });

  it('names the line of broken YAML', async () => {
    await withRecipe('steps: 4\nname: [a\n', async (path) => {
      await expect(readRecipe(path)).rejects.toThrow(/recipe\.yaml:\d+: not valid YAML/);
    });
  });

  it('names a missing file', async () => {
    await expect(readRecipe('/nowhere/recipe.yaml')).rejects.toThrow(
      'The recipe /nowhere/recipe.yaml cannot be read',
    );
  });
});

describe('parseOverride', () => {
  it('reads paths, numbers and words', () => {
    expect(parseOverride('optimizer.learningRate=3e-4')).toEqual([['optimizer', 'learningRate'], 3e-4]);
    expect(parseOverride('policy.address=127.0.0.1:1')).toEqual([['policy', 'address'], '127.0.0.1:1']);
  });

  it('refuses what has no key', () => {
    expect(() => parseOverride('steps')).toThrow('"steps" is not key=value');
  });
});
