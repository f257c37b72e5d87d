import { CheckpointError } from './errors.js';
import { isJsonObject, parseJsonObject, type JsonObject } from './json.js';
import type { WrittenFile } from './safetensors.js';

/** The weight-shaped parts of a policy's state, each in a file of its own. */
export const stateParts = [
  'weights',
  'teacher',
  'reference',
  'firstMoment',
  'secondMoment',
  'adapter',
] as const;

export type StatePart = (typeof stateParts)[number];

/** What a checkpoint consists of, as its `<name>.json` tells. */
export interface CheckpointManifest {
  readonly name: string;
  readonly version: number;
  readonly optimizerSteps: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdAtMs: number;
  /** How good its weights are, if who saved it said so. */
  readonly score?: number;
  /** Data folder beside the manifest. */
  readonly folder: string;
  readonly files: Readonly<Partial<Record<StatePart, WrittenFile>>>;
  readonly extra: JsonObject;
}

const format = 'backsight-checkpoint';
const formatVersion = 1;

/** The manifest as JSON text. */
export function formatManifest(manifest: CheckpointManifest): string {
  return `${JSON.stringify({ format, formatVersion, ...manifest }, undefined, 2)}\n`;
}

/** Parses a manifest; throws `CheckpointError` naming the file and the key that is wrong. */
export function parseManifest(text: string, name: string, file: string): CheckpointManifest {
  const values = parseJsonObject(text, file);
  const fail = (key: string) =>
    new CheckpointError({
      reason: 'invalid',
      file,
      problem: `${key}: ${JSON.stringify(values[key])} is not right`,
    });
  if (values['format'] !== format) throw fail('format');
  if (values['formatVersion'] !== formatVersion) throw fail('formatVersion');
  const count = (key: string): number => {
    const value = values[key];
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw fail(key);
  };
  const { folder, files, extra, score } = values;
  if (score !== undefined && typeof score !== 'number') throw fail('score');
  if (typeof folder !== 'string' || !/^[\w.-]+@[0-9a-f]+$/.test(folder)) throw fail('folder');
  if (!isJsonObject(extra)) throw fail('extra');
  if (!isJsonObject(files)) throw fail('files');
  const written: Partial<Record<StatePart, WrittenFile>> = {};
  for (const [part, value] of Object.entries(files)) {
    const known = stateParts.find((candidate) => candidate === part);
    if (known === undefined || !isWrittenFile(value)) throw fail('files');
    written[known] = { sizeBytes: value.sizeBytes, sha256: value.sha256 };
  }
  return {
    name,
    version: count('version'),
    optimizerSteps: count('optimizerSteps'),
    createdAtMs: count('createdAtMs'),
    ...(score !== undefined && { score }),
    folder,
    files: written,
    extra,
  };
}

function isWrittenFile(value: unknown): value is WrittenFile {
  if (!isJsonObject(value)) return false;
  const { sizeBytes, sha256 } = value;
  return typeof sizeBytes === 'number' && Number.isSafeInteger(sizeBytes) && typeof sha256 === 'string';
}
