/** Recipes: a run described in YAML, read with its defaults filled in, and written back. */
import { parseDocument, stringify } from 'yaml';
import { isMap, type Json, toJson } from './json.js';
import { merge } from './merge.js';
import { recipeSchema, type RecipeFile } from './schema.js';
import { startingPoint } from './starting-point.js';
import { type RecipeViolation, violationsOf } from './violations.js';

export type { RecipeViolation } from './violations.js';

/** A recipe, whole and checked. */
export type Recipe = Omit<RecipeFile, 'preset'>;

/** A recipe that can never be right as it is; one violation per key. */
export class RecipeError extends Error {
  override readonly name = 'RecipeError';
  constructor(readonly violations: readonly RecipeViolation[]) {
    super(
      violations
        .map(({ field, description }) => `${field === '' ? 'the recipe' : field} ${description}`)
        .join('; '),
    );
  }
}

/** Reads a recipe; what its preset and the defaults say is written out. Throws a RecipeError that names every wrong key. */
export function parseRecipe(yaml: string): Recipe {
  const given = parseYaml(yaml);
  const result = recipeSchema.safeParse(merge(startingPoint(given), given), { reportInput: true });
  if (!result.success) throw new RecipeError(violationsOf(result.error.issues));
  const missing = crossViolations(result.data);
  if (missing.length > 0) throw new RecipeError(missing);
  const { preset: _, ...recipe } = result.data;
  return recipe;
}

/** Writes a recipe with everything filled in; reading it again gives the same recipe. */
export function formatRecipe(recipe: Recipe): string {
  // What the recipe took away from its starting point stays away.
  const optimizer = { maxGradientNorm: null, ...recipe.optimizer };
  return stringify({ ...recipe, optimizer }, { lineWidth: 110 });
}

/** A recipe with keys changed by a YAML map, as a JSON merge patch changes them: null takes a key and its default away. */
export function amendRecipe(recipe: string, changes: string): string {
  const patch = changes.trim() === '' ? {} : parseYaml(changes);
  if (isMap(patch) && patch['preset'] !== undefined) {
    const description = 'cannot be changed: the recipe has every key of its preset written out';
    throw new RecipeError([{ field: 'preset', description }]);
  }
  return stringify(merge(parseYaml(recipe), patch, 'kept'));
}

function parseYaml(yaml: string): Json {
  const document = parseDocument(yaml, { version: '1.2' });
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw new RecipeError([
      { field: '', description: `is not valid YAML: ${problem.message.split('\n')[0] ?? ''}` },
    ]);
  }
  const value = toJson(document.toJS());
  if (isMap(value)) return value;
  throw new RecipeError([{ field: '', description: 'must be a map of keys' }]);
}

/** What no key can know by itself. */
function crossViolations(recipe: Recipe): readonly RecipeViolation[] {
  const { objective, hindsight, teacher, examples, environment, tasksPerStep } = recipe;
  const violations: RecipeViolation[] = [];
  if (environment.task !== undefined && tasksPerStep !== 1) {
    violations.push({
      field: 'tasksPerStep',
      description: `must be 1, since environment.task is one task, is ${tasksPerStep}`,
    });
  }
  if (objective.distillation !== undefined && hindsight === undefined) {
    violations.push({
      field: 'hindsight',
      description: 'is needed, since objective.distillation learns from it',
    });
  }
  if (objective.distillation !== undefined && teacher === undefined) {
    violations.push({
      field: 'teacher',
      description: 'is needed, since objective.distillation learns from it',
    });
  }
  const others = objective.policyGradient ?? objective.likelihood;
  if (examples.untaught === 'dropped' && others !== undefined) {
    violations.push({
      field: 'examples.untaught',
      description: 'must be kept, since objective has a term that needs no teacher, is dropped',
    });
  }
  return violations;
}
