/** Recipe files: read, with some keys set from the command line. */
import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import { messageOf, UserError } from './user-error.js';

/** A key path and its value, for example `['policy', 'address']`. */
export type Override = readonly [path: readonly string[], value: string | number];

/** The text of a recipe file with keys set; comments and order are kept. Throws a UserError that names the file and the line. */
export async function readRecipe(path: string, overrides: readonly Override[] = []): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`The recipe ${path} cannot be read: ${messageOf(error)}.`);
  }
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line;
    throw new UserError(
      `${path}${line === undefined ? '' : `:${line}`}: not valid YAML: ${problem.message.split('\n')[0] ?? ''}`,
    );
  }
  for (const [keys, value] of overrides) document.setIn(keys, value);
  return document.toString();
}

/** Parses `key.path=value`; numbers become numbers. */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at <= 0) throw new UserError(`"${text}" is not key=value, for example --set steps=8.`);
  const value = text.slice(at + 1);
  const number = Number(value);
  return [text.slice(0, at).split('.'), value.trim() !== '' && Number.isFinite(number) ? number : value];
}
