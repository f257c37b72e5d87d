import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { hindsightDefaults, presets } from '@backsight/sdpo';
import { amendRecipe, formatRecipe, parseRecipe, RecipeError } from './recipe.js';
import { recipeReference } from './reference.js';

const MINIMAL = `
steps: 4
policy: { address: 127.0.0.1:7101 }
environment: { address: 127.0.0.1:7102, split: train }
sampling: { maxTokens: 24 }
objective: { distillation: { alpha: 0.5, support: { kind: full } } }
optimizer: { learningRate: 3.0e-4 }
`;

const withLines = (lines: string) => `${MINIMAL}${lines}`;

const violationsOf = (yaml: string): Record<string, string> => {
  try {
    parseRecipe(yaml);
  } catch (error) {
    if (!(error instanceof RecipeError)) throw error;
    const fields = error.violations.map(({ field }) => field);
    expect(new Set(fields).size).toBe(fields.length);
    return Object.fromEntries(error.violations.map(({ field, description }) => [field, description]));
  }
  throw new Error('the recipe was accepted');
};

describe('parseRecipe', () => {
  it('fills in the defaults of the algorithm', () => {
    const recipe = parseRecipe(MINIMAL);
    const published = presets['sdpo-rich-feedback'];
    expect(recipe).toMatchObject({
      name: 'run',
      seed: 0,
      tasksPerStep: published.tasksPerStep,
      groupSize: published.groupSize,
      sampling: { temperature: 1, topP: 1, maxTokens: 24 },
      hindsight: { ...hindsightDefaults, maxTeacherPromptTokens: published.maxTeacherPromptTokens },
      teacher: published.teacher,
      examples: { advantage: 'centred', routing: 'blended', questionWeighting: 'equal', untaught: 'kept' },
      miniBatches: 1,
      maxStaleness: 0,
      checkpoint: { everySteps: 10 },
    });
    expect(recipe.evaluation).toBeUndefined();
    // What may be absent is absent unless it is asked for.
    expect(recipe.objective.distillation).not.toHaveProperty('importanceCap');
    expect(recipe.objective).not.toHaveProperty('rolloutImportanceCap');
  });

  it('needs neither teacher nor hindsight for a policy gradient', () => {
    const recipe = parseRecipe(
      MINIMAL.replace(/^objective.*$/m, 'objective: { policyGradient: { clipLow: 0.2, clipHigh: 0.28 } }'),
    );
    expect(recipe.objective.policyGradient).toEqual({ weight: 1, clipLow: 0.2, clipHigh: 0.28 });
    expect(recipe.hindsight).toBeUndefined();
    expect(recipe.teacher).toBeUndefined();
  });

  it.each(Object.keys(presets))('writes out the preset %s, and lets other keys change it', (name) => {
    const preset = Object.entries(presets).find(([key]) => key === name)![1];
    const recipe = parseRecipe(`
preset: ${name}
steps: 1
tasksPerStep: 3
policy: { address: a:1 }
environment: { address: b:2, split: train }
sampling: { maxTokens: 100 }
`);
    expect(recipe.objective).toEqual(preset.objective);
    expect(recipe.teacher).toEqual(preset.teacher);
    expect(recipe.optimizer).toEqual(preset.optimizer);
    expect(recipe.hindsight === undefined).toBe(preset.hindsight === undefined);
    expect(recipe.tasksPerStep).toBe(3);
    expect(recipe.sampling).toEqual({ ...preset.sampling, maxTokens: 100 });
    expect(recipe).not.toHaveProperty('preset');
  });

  it('takes a key of its preset away with null, and replaces a support of another kind whole', () => {
    const { objective, optimizer } = parseRecipe(`
preset: sdpo-rich-feedback
steps: 1
policy: { address: a:1 }
environment: { address: b:2, split: train }
objective: { rolloutImportanceCap: null, distillation: { importanceCap: null, support: { kind: full } } }
optimizer: { maxGradientNorm: null }
`);
    expect(objective).toEqual({
      distillation: { weight: 1, alpha: 1, support: { kind: 'full' }, granularity: 'logit' },
      aggregation: 'sequence-mean-token-mean',
      temperature: 1,
    });
    expect(optimizer).not.toHaveProperty('maxGradientNorm');
  });

  it('samples as it trains when an evaluation does not say otherwise', () => {
    const recipe = parseRecipe(withLines('evaluation: { split: held-out, sampling: { temperature: 0.6 } }'));
    expect(recipe.evaluation).toEqual({
      split: 'held-out',
      everySteps: 5,
      samplesPerTask: 4,
      beforeTraining: true,
      sampling: { temperature: 0.6, topP: 1, maxTokens: 24 },
    });
  });

  it.each<[string, string, Record<string, string>]>([
    ['an unknown key', withLines('stepz: 3'), { stepz: 'is no key of a recipe; did you mean steps?' }],
    [
      'an unknown key like no other',
      withLines('teacher: { colour: red }'),
      { 'teacher.colour': 'is no key of a recipe; known here: kind, rate, cadence' },
    ],
    [
      'a key spelt with underscores',
      withLines('mini_batches: 2'),
      { mini_batches: 'is no key of a recipe; did you mean miniBatches?' },
    ],
    ['a wrong type', withLines('seed: high'), { seed: 'must be a whole number at least 0, is "high"' }],
    [
      'a fraction',
      withLines('groupSize: 2.5'),
      { groupSize: 'must be a whole number at least 1 and at most 10000, is 2.5' },
    ],
    [
      'a number too large',
      withLines('teacher: { rate: 2 }'),
      { 'teacher.rate': 'must be a number at least 0 and at most 1, is 2' },
    ],
    [
      'a number that the algorithm refuses',
      MINIMAL.replace('alpha: 0.5', 'alpha: 2'),
      { 'objective.distillation.alpha': 'must be a number at least 0 and at most 1, is 2' },
    ],
    [
      'settings that do not go together',
      MINIMAL.replace('alpha: 0.5', 'alpha: 0.5, granularity: sampled-token'),
      { 'objective.distillation.alpha': 'must be 1 with granularity sampled-token, is 0.5' },
    ],
    [
      'an unknown kind',
      MINIMAL.replace('kind: full', 'kind: top-k'),
      {
        'objective.distillation.support.kind':
          'must be one of full, top-k-tail, top-k-renormalised, is "top-k"',
      },
    ],
    [
      'a kind without its number',
      MINIMAL.replace('kind: full', 'kind: top-k-tail'),
      { 'objective.distillation.support.k': 'must be a whole number at least 1, is missing' },
    ],
    [
      'a word out of a list',
      withLines('hindsight: { feedback: sometimes }'),
      { 'hindsight.feedback': 'must be one of without-demonstration, always, never, is "sometimes"' },
    ],
    [
      'what is no address',
      MINIMAL.replace('127.0.0.1:7101', 'policy'),
      { 'policy.address': 'must be an address host:port, is "policy"' },
    ],
    [
      'what is missing',
      MINIMAL.replace('steps: 4', ''),
      { steps: 'must be a whole number at least 1, is missing' },
    ],
    [
      'a map that is missing',
      MINIMAL.replace(/^environment.*$/m, ''),
      { environment: 'must be a map with the keys address, split, task, is missing' },
    ],
    [
      'a map that is none',
      MINIMAL.replace(/^sampling.*$/m, 'sampling: 3'),
      { sampling: 'must be a map with the keys temperature, topP, maxTokens, is 3' },
    ],
    [
      'an objective without a term',
      MINIMAL.replace(/^objective.*$/m, ''),
      { objective: 'must give distillation, policyGradient or likelihood a weight above 0, gives none' },
    ],
    [
      'distillation with nothing to learn from',
      withLines('hindsight: null'),
      { hindsight: 'is needed, since objective.distillation learns from it' },
    ],
    [
      'untaught completions dropped from a policy gradient',
      MINIMAL.replace('{ distillation', '{ policyGradient: { clipLow: 0.2, clipHigh: 0.2 }, distillation') +
        'examples: { untaught: dropped }',
      { 'examples.untaught': 'must be kept, since objective has a term that needs no teacher, is dropped' },
    ],
    [
      'an unknown preset',
      withLines('preset: dpo'),
      { preset: expect.stringMatching(/^must be one of .*grpo, is "dpo"$/) as never },
    ],
    ['what is no map', '- steps', { '': 'must be a map of keys' }],
    [
      'a key given twice',
      withLines('steps: 5'),
      { '': expect.stringContaining('is not valid YAML') as never },
    ],
    ['what is no YAML', 'steps: [', { '': expect.stringContaining('is not valid YAML') as never }],
  ])('refuses %s', (_, yaml, expected) => {
    expect(violationsOf(yaml)).toEqual(expected);
  });

  it('names everything that is wrong at once', () => {
    const wrong = MINIMAL.replace('alpha: 0.5', 'alfa: 0.5, weight: -1').replace('steps: 4', 'step: 4');
    expect(Object.keys(violationsOf(wrong)).sort()).toEqual([
      'objective.distillation.alfa',
      'objective.distillation.alpha',
      'objective.distillation.weight',
      'step',
      'steps',
    ]);
  });
});

describe('formatRecipe', () => {
  it.each([
    ['a minimal recipe', MINIMAL],
    ['a recipe that took something away', withLines('').replace('3.0e-4', '3.0e-4, maxGradientNorm: null')],
    ['words with colons and quotes', withLines(`hindsight: { wording: { closing: "Now: 'try' # again" } }`)],
    ['a preset', MINIMAL.replace(/^objective.*$/m, 'preset: sdpo-test-time').replace(/^optimizer.*$/m, '')],
  ])('writes %s so that reading it again gives the same', (_, yaml) => {
    const recipe = parseRecipe(yaml);
    expect(parseRecipe(formatRecipe(recipe))).toEqual(recipe);
    expect(formatRecipe(parseRecipe(formatRecipe(recipe)))).toBe(formatRecipe(recipe));
  });
});

describe('amendRecipe', () => {
  const amended = (changes: string) => parseRecipe(amendRecipe(formatRecipe(parseRecipe(MINIMAL)), changes));

  it('takes a key away with null for good, though its default would come back', () => {
    expect(parseRecipe(MINIMAL).optimizer.maxGradientNorm).toBe(1);
    expect(amended('optimizer: { maxGradientNorm: null }').optimizer).not.toHaveProperty('maxGradientNorm');
  });

  it('refuses to take away what a recipe needs', () => {
    expect(violationsOf(amendRecipe(MINIMAL, 'steps: null\nteacher: null'))).toEqual({
      steps: 'must be a whole number at least 1, is missing',
    });
    expect(violationsOf(amendRecipe(MINIMAL, 'teacher: null'))).toEqual({
      teacher: 'is needed, since objective.distillation learns from it',
    });
  });
});

describe('the recipe reference in the README', () => {
  it('is what the schema says', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const [, recipes = ''] = readme.split('\n## Recipes\n');
    const rows = [...recipes.matchAll(/^\| `([\w.]+)` +\| (.*?) +\| (.*?) +\|$/gm)].map(
      ([, key, allowed, description]) => ({
        key,
        allowed,
        description,
      }),
    );
    const unescaped = rows.map((row) => ({ ...row, description: row.description!.replaceAll('\\|', '|') }));
    expect(unescaped).toEqual(recipeReference);
  });
});
