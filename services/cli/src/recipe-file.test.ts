import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failedPrecondition, invalidArgument, unavailable } from '@backsight/rpc';
import { parse } from 'yaml';
import { parseOverride, readRecipe, recipeProblem } from './recipe-file.js';

let path = '';

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'recipe-')), 'recipe.yaml');
});
afterEach(async () => {
  await rm(join(path, '..'), { recursive: true });
});

describe('readRecipe', () => {
  it('sets nested keys and keeps the others', async () => {
    await writeFile(path, '# mine\nsteps: 4\npolicy: { address: a }\n');
    const { yaml } = await readRecipe(path, [
      [['policy', 'address'], 'b'],
      [['seed'], 7],
    ]);
    expect(yaml).toContain('# mine');
    expect(parse(yaml)).toEqual({ steps: 4, policy: { address: 'b' }, seed: 7 });
  });

  it('names the line of broken YAML, once', async () => {
    await writeFile(path, 'steps: 4\nsteps: 5\n');
    await expect(readRecipe(path)).rejects.toThrow(`${path}:2: not valid YAML: Map keys must be unique`);
  });

  it('names a missing file, and a folder', async () => {
    await expect(readRecipe('/nowhere/recipe.yaml')).rejects.toThrow(
      'The recipe /nowhere/recipe.yaml cannot be read: there is no such file or folder.',
    );
    await expect(readRecipe('/')).rejects.toThrow('The recipe / cannot be read: it is a folder.');
  });

  it('refuses to set a key of what is no map', async () => {
    await writeFile(path, 'steps: 4\n');
    await expect(readRecipe(path, [[['steps', 'often'], 3]])).rejects.toThrow(
      `--set steps.often=3: ${path} has no map there to set a key of.`,
    );
  });
});

describe('recipeProblem', () => {
  const text = 'steps: 4\nobjective:\n  distillation:\n    alpha: 2\nstepz: 3\n';

  it('tells every wrong key with the line it stands in, or with what set it', async () => {
    await writeFile(path, text);
    const recipe = await readRecipe(path, [
      [['miniBatches'], 0],
      [['steps'], null],
      [['teacher'], { kind: 'emma' }],
    ]);
    const error = invalidArgument([
      { field: 'recipe_yaml.objective.distillation.alpha', description: 'must be at most 1, is 2' },
      { field: 'recipe_yaml.stepz', description: 'is no key of a recipe; did you mean steps?' },
      { field: 'recipe_yaml.miniBatches', description: 'must be at least 1, is 0' },
      { field: 'recipe_yaml.steps', description: 'must be a whole number at least 1, is missing' },
      { field: 'recipe_yaml.teacher.kind', description: 'must be one of ema, frozen, is "emma"' },
      { field: 'recipe_yaml.policy', description: 'must be a map, is missing' },
      { field: 'recipe_yaml', description: 'must be a map of keys' },
    ]);
    expect(String(recipeProblem(error, recipe)).split('\n')).toEqual([
      `UserError: ${path}:4: objective.distillation.alpha must be at most 1, is 2`,
      `${path}:5: stepz is no key of a recipe; did you mean steps?`,
      '--set: miniBatches must be at least 1, is 0',
      '--set: steps must be a whole number at least 1, is missing',
      '--set: teacher.kind must be one of ema, frozen, is "emma"',
      `${path}: policy must be a map, is missing`,
      `${path}: the recipe must be a map of keys`,
    ]);
  });

  it('tells with the file what the rooms lack', async () => {
    await writeFile(path, text);
    const error = failedPrecondition('recipe', 'policy.start: the policy has no checkpoint x');
    expect(recipeProblem(error, await readRecipe(path))).toMatchObject({
      message: `${path}: policy.start: the policy has no checkpoint x`,
    });
  });

  it('leaves other failures as they are', async () => {
    await writeFile(path, text);
    const error = unavailable('the policy is away', 10);
    expect(recipeProblem(error, await readRecipe(path))).toBe(error);
  });
});

describe('parseOverride', () => {
  it('reads paths, numbers, truth values and words', () => {
    expect(parseOverride('optimizer.learningRate=3e-4')).toEqual([['optimizer', 'learningRate'], 3e-4]);
    expect(parseOverride('policy.address=127.0.0.1:1')).toEqual([['policy', 'address'], '127.0.0.1:1']);
    expect(parseOverride('evaluation.beforeTraining=false')).toEqual([
      ['evaluation', 'beforeTraining'],
      false,
    ]);
  });

  it('reads values as YAML has them', () => {
    expect(parseOverride('evaluation=null')).toEqual([['evaluation'], null]);
    expect(parseOverride('optimizer.maxGradientNorm=~')).toEqual([['optimizer', 'maxGradientNorm'], null]);
    expect(parseOverride('name="null"')).toEqual([['name'], 'null']);
    expect(parseOverride("name='7'")).toEqual([['name'], '7']);
    expect(parseOverride('teacher={kind: ema, rate: 0.05}')).toEqual([
      ['teacher'],
      { kind: 'ema', rate: 0.05 },
    ]);
  });

  it('leaves what is no YAML a text', () => {
    expect(parseOverride('policy.address=[::1]:7101')).toEqual([['policy', 'address'], '[::1]:7101']);
  });

  it.each(['name=', 'name= ', 'name=# a comment'])('refuses %j, which has no value', (text) => {
    expect(() => parseOverride(text)).toThrow('gives no value; name=null takes the key away.');
  });

  it('reads lists', () => {
    expect(parseOverride('policy.followers=[127.0.0.1:1, 127.0.0.1:2]')).toEqual([
      ['policy', 'followers'],
      ['127.0.0.1:1', '127.0.0.1:2'],
    ]);
    expect(parseOverride('policy.followers=[]')).toEqual([['policy', 'followers'], []]);
  });

  it('refuses what has no key', () => {
    expect(() => parseOverride('steps')).toThrow('"steps" is not key=value');
  });
});
