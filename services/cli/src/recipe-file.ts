/** Recipe files: read, with some keys set from the command line, and what the coordinator says of them told by file and line. */
import { readFile } from 'node:fs/promises';
import { describeError, readFailure } from '@backsight/rpc';
import { Document, isNode, LineCounter, parseDocument } from 'yaml';
import { plainly, UserError } from './user-error.js';

/** A key path and its value, for example `['policy', 'address']`. */
export type Override = readonly [path: readonly string[], value: Scalar | readonly Scalar[]];

type Scalar = string | number | boolean;

/** A recipe as it is sent, and where in its file each key stands. */
export interface RecipeFile {
  readonly path: string;
  readonly yaml: string;
  /** `file:line` of a key, `--set key` for one that the command line set, else the file alone. */
  readonly placeOf: (keys: readonly string[]) => string;
}

/** Reads a recipe file and sets keys; comments and order are kept. Throws a UserError that names the file and the line. */
export async function readRecipe(path: string, overrides: readonly Override[] = []): Promise<RecipeFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`The recipe ${path} cannot be read: ${plainly(error)}.`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line;
    const [words = ''] = problem.message.split(/ at line \d+|\n/);
    throw new UserError(`${path}${line === undefined ? '' : `:${line}`}: not valid YAML: ${words}`);
  }
  for (const override of overrides) set(document, override, path);
  return {
    path,
    yaml: document.toString(),
    placeOf: (keys) => {
      if (overrides.some(([set]) => set.join('.') === keys.join('.'))) return '--set';
      const node = document.getIn(keys, true);
      const range = isNode(node) ? node.range : undefined;
      return range === undefined || range === null ? path : `${path}:${lines.linePos(range[0]).line}`;
    },
  };
}

/** Keys set from the command line alone, as a change to a recipe. */
export function recipeChanges(overrides: readonly Override[]): RecipeFile {
  const document = new Document({});
  for (const [keys, value] of overrides) document.setIn(keys, value);
  return { path: '--set', yaml: document.toString(), placeOf: () => '--set' };
}

function set(document: Document, [keys, value]: Override, path: string): void {
  try {
    document.setIn(keys, value);
  } catch {
    throw new UserError(
      `--set ${keys.join('.')}=${String(value)}: ${path} has no map there to set a key of.`,
    );
  }
}

/** What is wrong with a recipe, as the person who wrote the file must mend it; another failure stays as it is. */
export function recipeProblem(error: unknown, recipe: RecipeFile): unknown {
  const failure = readFailure(error);
  if (failure?.code === 'FAILED_PRECONDITION')
    return new UserError(describeError(error).replace(/^recipe: /, `${recipe.path}: `));
  const { violations = [] } = failure ?? {};
  if (failure?.code !== 'INVALID_ARGUMENT' || !violations.every(({ field }) => ofRecipe.test(field)))
    return error;
  const lines = violations.map(({ field, description }) => {
    const key = field.replace(ofRecipe, '');
    if (key === '') return `${recipe.path}: the recipe ${description}`;
    return `${recipe.placeOf(key.split('.'))}: ${key} ${description}`;
  });
  return new UserError(lines.join('\n'));
}

const ofRecipe = /^recipe_(?:overrides_)?yaml\.?/;

/** Parses `key.path=value`, the value as YAML has it: numbers become numbers, true and false what they are, [a, b] a list. */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at <= 0) throw new UserError(`"${text}" is not key=value, for example --set steps=8.`);
  const keys = text.slice(0, at).split('.');
  const value = text.slice(at + 1);
  const [, list] = /^\[(.*)\]$/.exec(value) ?? [];
  if (list === undefined) return [keys, scalar(value)];
  const items = list.split(',').map((item) => scalar(item.trim()));
  return [keys, items.filter((item) => item !== '')];
}

function scalar(value: string): Scalar {
  if (value === 'true' || value === 'false') return value === 'true';
  const number = Number(value);
  return value.trim() !== '' && Number.isFinite(number) ? number : value;
}
