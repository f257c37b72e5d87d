import { readFile } from 'node:fs/promises';
import { CheckpointError } from './errors.js';
import { fileError } from './file-error.js';

/** A JSON object whose members are still to be checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Tells a JSON object from every other value. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses text that must hold one JSON object; throws `CheckpointError` naming the file. */
export function parseJsonObject(text: string, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError({ reason: 'invalid', file, problem: 'is not valid JSON' }, { cause });
  }
  if (!isJsonObject(value))
    throw new CheckpointError({ reason: 'invalid', file, problem: 'is not a JSON object' });
  return value;
}

/** Reads a text file; throws `CheckpointError` naming it. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw fileError(file, cause);
  }
}

/** Reads a text file, or `undefined` when there is none. */
export async function readOptionalText(file: string): Promise<string | undefined> {
  try {
    return await readText(file);
  } catch (error) {
    if (error instanceof CheckpointError && error.reason === 'missing') return undefined;
    throw error;
  }
}
