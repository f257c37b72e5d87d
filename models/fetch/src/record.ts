import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a model's folder says of where it came from. */
export interface SourceRecord {
  /** What was asked for: a folder's path, or id and revision. */
  readonly wanted: string;
  /** Where it came from, for people. */
  readonly origin: string;
}

/** Writes the record with the checksum of each file of the folder. */
export async function writeRecord(
  folder: string,
  record: SourceRecord,
  sha256: Readonly<Record<string, string>>,
): Promise<void> {
  await writeFile(join(folder, recordFile), `${JSON.stringify({ ...record, sha256 }, undefined, 2)}\n`);
}

/** Reads a folder's record; `undefined` when there is no such folder. A folder without a record is from elsewhere. */
export async function readRecord(folder: string): Promise<SourceRecord | undefined> {
  if ((await stat(folder).catch(() => undefined)) === undefined) return undefined;
  const text = await readFile(join(folder, recordFile), 'utf8').catch(() => '{}');
  const [wanted, origin] = [member(text, 'wanted'), member(text, 'origin')];
  return { wanted: wanted ?? '', origin: origin ?? 'elsewhere' };
}

const recordFile = 'backsight-source.json';

function member(text: string, key: string): string | undefined {
  try {
    const object: unknown = JSON.parse(text);
    if (typeof object !== 'object' || object === null) return undefined;
    const value: unknown = Object.getOwnPropertyDescriptor(object, key)?.value;
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
