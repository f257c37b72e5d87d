/** Reads from a prompt which tools there are and what arguments they take. */
import { readObject } from './json-object.js';

/** What a prompt documents about one tool. */
export interface ToolDocumentation {
  readonly name: string;
  /** Names of the arguments it takes. */
  readonly parameters: readonly string[];
  /** Those marked "Required." */
  readonly required: readonly string[];
}

/**
 * The tools of a ToolAlpaca prompt, by name: a line `name: what it does`, then a line `Parameters: {...}` with a JSON
 * object from argument to description. Empty when the prompt documents nothing in this form.
 */
export function readDocumentation(prompt: string): ReadonlyMap<string, ToolDocumentation> {
  const tools = new Map<string, ToolDocumentation>();
  for (const found of prompt.matchAll(/^([^\s:]+):.*\nParameters:[ \t]*(?=\{)/gm)) {
    const name = found[1] ?? '';
    const reading = readObject(prompt, found.index + found[0].length);
    if (reading.kind === 'broken') continue;
    const parameters = Object.entries(reading.value);
    tools.set(name, {
      name,
      parameters: parameters.map(([parameter]) => parameter),
      required: parameters.filter(([, about]) => isRequired(about)).map(([parameter]) => parameter),
    });
  }
  return tools;
}

function isRequired(about: unknown): boolean {
  return typeof about === 'string' && /^required\b/i.test(about);
}
