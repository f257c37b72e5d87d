/** Reads the rows of a task file, one JSON object a line or one row of a parquet table each, and where each stands. */
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { asJson, NotInJson } from './table-values.js';

/** A row, not yet looked at, or why it is none. */
export type PlacedRow = {
  /** For people, counted from 1: `tasks.jsonl:3`, or `tasks.parquet: row 3`. */
  readonly place: string;
} & ({ readonly row: object } | { readonly problem: string });

/** The file as a whole cannot be read; the message completes "The task file X ...". */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile';
}

/** Both ends of a parquet file. */
const magic = 'PAR1';

/** The rows of a file with these contents, told apart by how they begin. Throws UnreadableFile. */
export async function readRows(path: string, contents: Uint8Array): Promise<readonly PlacedRow[]> {
  return Buffer.from(contents.subarray(0, magic.length)).toString('latin1') === magic
    ? readTable(path, contents)
    : readLines(path, Buffer.from(contents).toString());
}

function readLines(path: string, text: string): readonly PlacedRow[] {
  return text.split('\n').flatMap((line, index): readonly PlacedRow[] => {
    if (line.trim() === '') return [];
    const place = `${path}:${index + 1}`;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      return [
        { place, problem: `not a JSON object (${error instanceof Error ? error.message : String(error)})` },
      ];
    }
    return [isObject(row) ? { place, row } : { place, problem: 'not a JSON object' }];
  });
}

async function readTable(path: string, contents: Uint8Array): Promise<readonly PlacedRow[]> {
  const file = {
    byteLength: contents.length,
    // A copy: the reader wants buffers of its own.
    slice: (start: number, end?: number) => new Uint8Array(contents.subarray(start, end)).buffer,
  };
  const rows: readonly unknown[] = await parquetReadObjects({ file, compressors }).catch((error: unknown) => {
    throw new UnreadableFile(`is no parquet file: ${error instanceof Error ? error.message : String(error)}`);
  });
  return rows.map((row, index): PlacedRow => {
    const place = `${path}: row ${index + 1}`;
    try {
      const value = asJson(row, '');
      return isObject(value) ? { place, row: value } : { place, problem: 'not a row' };
    } catch (error) {
      if (error instanceof NotInJson) return { place, problem: error.message };
      throw error;
    }
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
