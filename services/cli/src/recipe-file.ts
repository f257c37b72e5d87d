/** Recipe files: read, with some keys set from the command line, and what the coordinator says of them told by file and line. */
import { readFile } from 'node:fs/promises';
import { describeError, readFailure } from '@backsight/rpc';
import { Document, isNode, LineCounter, parseDocument } from 'yaml';
import { plainly, UserError } from './user-error.js';

/** A key path, for example `['policy', 'address']`, and its value as YAML has it; null takes the key away. */
export type Override = readonly [path: readonly string[], value: unknown];

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
      if (overrides.some(([set]) => set.every((key, at) => key === keys[at]))) return '--set';
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
      `--set ${keys.join('.')}=${JSON.stringify(value)}: ${path} has no map there to set a key of.`,
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

/** Parses `key.path=value`, the value as YAML has it; what is no YAML, as an address `[::1]:7101`, is a text. */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at <= 0) throw new UserError(`"${text}" is not key=value, for example --set steps=8.`);
  const key = text.slice(0, at);
  const value = text.slice(at + 1);
  const document = parseDocument(value, { version: '1.2' });
  if (document.errors.length > 0) return [key.split('.'), value];
  if (document.contents === null || value.trim() === '')
    throw new UserError(`--set ${text} gives no value; ${key}=null takes the key away.`);
  return [key.split('.'), document.toJS()];
}
