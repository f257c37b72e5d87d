import { CheckpointError } from './errors.js';
import { isJsonObject, parseJsonObject } from './json.js';
import { elementCount } from './weights.js';

/** Where one tensor lies in a safetensors file. */
export interface TensorEntry {
  readonly name: string;
  /** As written in the file, for example `F32`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

/** The parsed header of a safetensors file. */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of the little-endian length that precedes the header. */
export const lengthPrefixBytes = 8;

/** Longest header the format allows. */
export const maxHeaderBytes = 100_000_000;

const elementBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
};

/**
 * Parses and checks a header: known types, sizes that match the shapes, tensors that cover the data without gap or overlap.
 *
 * Throws `CheckpointError` naming the file, and the tensor where one is to blame.
 */
export function parseSafetensorsHeader(
  text: string,
  headerBytes: number,
  fileBytes: number,
  file: string,
): SafetensorsHeader {
  const { __metadata__: metadata, ...rest } = parseJsonObject(text, file);
  const dataBegin = lengthPrefixBytes + headerBytes;
  const entries = Object.entries(rest).map(([name, value]) => parseEntry(name, value, dataBegin, file));
  checkCoverage(entries, dataBegin, fileBytes, file);
  return {
    tensors: new Map(entries.map((entry) => [entry.name, entry])),
    metadata: parseMetadata(metadata, file),
  };
}

/** The header text for float32 tensors laid one after the other, padded so that the data is aligned. */
export function formatSafetensorsHeader(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
): string {
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let begin = 0;
  for (const { name, shape } of tensors) {
    const end = begin + 4 * elementCount(shape);
    entries.push([name, { dtype: 'F32', shape, data_offsets: [begin, end] }]);
    begin = end;
  }
  // Not by assignment, which would lose a tensor called `__proto__`.
  const header = Object.fromEntries(entries);
  const text = JSON.stringify(header);
  return text + ' '.repeat(-Buffer.byteLength(text) & 7);
}

function parseEntry(name: string, value: unknown, dataBegin: number, file: string): TensorEntry {
  const fail = (problem: string) => new CheckpointError({ reason: 'invalid', file, tensor: name, problem });
  if (!isJsonObject(value)) throw fail('its header entry is not an object');
  const { dtype, shape, data_offsets: offsets } = value;
  const size = typeof dtype === 'string' ? elementBytes[dtype] : undefined;
  if (typeof dtype !== 'string' || size === undefined) throw fail(`unknown dtype ${JSON.stringify(dtype)}`);
  if (!isSizes(shape)) throw fail(`its shape ${JSON.stringify(shape)} is not a list of sizes`);
  if (!isSizes(offsets)) throw fail(`its data_offsets ${JSON.stringify(offsets)} are not two offsets`);
  const [begin, end, ...more] = offsets;
  if (begin === undefined || end === undefined || more.length > 0 || begin > end)
    throw fail(`its data_offsets ${JSON.stringify(offsets)} are not two offsets in order`);
  const bytes = elementCount(shape) * size;
  if (end - begin !== bytes)
    throw fail(
      `shape [${shape.join(', ')}] of ${dtype} takes ${bytes} bytes, but its data_offsets span ${end - begin}`,
    );
  return { name, dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function checkCoverage(
  entries: readonly TensorEntry[],
  dataBegin: number,
  fileBytes: number,
  file: string,
): void {
  let covered = dataBegin;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      throw new CheckpointError({
        reason: 'invalid',
        file,
        tensor: name,
        problem:
          begin < covered
            ? 'its data overlaps another tensor'
            : `a gap of ${begin - covered} bytes precedes its data`,
      });
    if (end > fileBytes)
      throw new CheckpointError({
        reason: 'invalid',
        file,
        tensor: name,
        problem: `its data ends at byte ${end}, but the file has ${fileBytes} bytes; it was cut short`,
      });
    covered = end;
  }
  if (covered !== fileBytes)
    throw new CheckpointError({
      reason: 'invalid',
      file,
      problem: `${fileBytes - covered} bytes follow the last tensor`,
    });
}

function parseMetadata(value: unknown, file: string): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  const fail = () =>
    new CheckpointError({ reason: 'invalid', file, problem: '__metadata__ is not an object of strings' });
  if (!isJsonObject(value)) throw fail();
  return Object.fromEntries(
    Object.entries(value).map(([key, text]): [string, string] => {
      if (typeof text !== 'string') throw fail();
      return [key, text];
    }),
  );
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
