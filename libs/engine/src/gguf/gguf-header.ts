import { CheckpointError } from '../errors.js';
import { elementCount } from '../weights.js';
import { blockFormats, type BlockFormat } from './block-formats.js';

/** A value of a GGUF file's metadata. */
export type GgufValue = number | boolean | string | readonly GgufValue[];

/** Where one tensor lies in a GGUF file, and how it is coded. */
export interface GgufTensor {
  readonly name: string;
  /** Row-major, the outermost axis first (the file writes the innermost first). */
  readonly shape: readonly number[];
  readonly format: BlockFormat;
  /** First byte, counted from the start of the file. */
  readonly begin: number;
  readonly byteLength: number;
}

/** The parsed head of a GGUF file, versions 2 and 3. */
export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** The head is cut short: read more bytes and parse again. */
export class GgufHeadTooShort extends Error {
  override readonly name = 'GgufHeadTooShort';
}

/**
 * Parses metadata and tensor list from the first bytes of a GGUF file of `fileBytes` bytes.
 *
 * Throws `GgufHeadTooShort` when they end before the list does, and `CheckpointError` naming file, offset and tensor for
 * what is wrong: another format, a type that is not read, data outside the file.
 */
export function parseGgufHeader(bytes: Uint8Array, fileBytes: number, file: string): GgufHeader {
  const cursor = new Cursor(bytes, fileBytes, file);
  if (cursor.u32() !== magic) throw cursor.fail('does not begin with "GGUF"');
  const version = cursor.u32();
  if (version !== 2 && version !== 3) throw cursor.fail(`is GGUF version ${version}; 2 and 3 are read`);
  const [tensorCount, valueCount] = [cursor.u64(), cursor.u64()];
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < valueCount; i++) {
    const key = cursor.text();
    metadata.set(key, cursor.value(cursor.u32(), key));
  }
  const entries: Omit<GgufTensor, 'byteLength'>[] = [];
  for (let i = 0; i < tensorCount; i++) entries.push(tensorEntry(cursor));
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !(alignment > 0)) throw cursor.fail('general.alignment is no length');
  const dataBegin = Math.ceil(cursor.offset / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const entry of entries) tensors.set(entry.name, placed(entry, dataBegin, fileBytes, file));
  return { metadata, tensors };
}

const magic = 0x46554747;

function tensorEntry(cursor: Cursor): Omit<GgufTensor, 'byteLength'> {
  const name = cursor.text();
  const rank = cursor.u32();
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) shape.unshift(cursor.u64());
  const type = cursor.u32();
  const format = blockFormats.get(type);
  if (format === undefined) {
    const read = [...blockFormats.values()].map((known) => known.name).join(', ');
    throw cursor.fail(`has GGML type ${type}; ${read} are read`, name);
  }
  return { name, shape, format, begin: cursor.u64() };
}

function placed(
  entry: Omit<GgufTensor, 'byteLength'>,
  dataBegin: number,
  fileBytes: number,
  file: string,
): GgufTensor {
  const { name, shape, format } = entry;
  const fail = (problem: string) => new CheckpointError({ reason: 'invalid', file, tensor: name, problem });
  if ((shape.at(-1) ?? 1) % format.blockElements !== 0)
    throw fail(`rows of ${shape.at(-1) ?? 1} are no whole blocks of ${format.name}`);
  const byteLength = (elementCount(shape) / format.blockElements) * format.blockBytes;
  const begin = dataBegin + entry.begin;
  if (begin + byteLength > fileBytes)
    throw fail(
      `its data ends at byte ${begin + byteLength}, but the file has ${fileBytes}; it was cut short`,
    );
  return { ...entry, begin, byteLength };
}

/** Reads little-endian values one after the other. */
class Cursor {
  offset = 0;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly fileBytes: number,
    private readonly file: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  fail(problem: string, tensor?: string): CheckpointError {
    const at = `${problem} (at byte ${this.offset})`;
    return new CheckpointError({
      reason: 'invalid',
      file: this.file,
      problem: at,
      ...(tensor !== undefined && { tensor }),
    });
  }

  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  /** A length or an offset. */
  u64(): number {
    const value = Number(this.view.getBigUint64(this.advance(8), true));
    if (value > Number.MAX_SAFE_INTEGER) throw this.fail(`holds a length of ${value}`);
    return value;
  }

  text(): string {
    const length = this.u64();
    const begin = this.advance(length);
    return new TextDecoder().decode(this.bytes.subarray(begin, begin + length));
  }

  value(type: number, key: string): GgufValue {
    const scalar = scalars.get(type);
    if (scalar !== undefined) return scalar.read(this.view, this.advance(scalar.bytes));
    if (type === textType) return this.text();
    if (type !== listType) throw this.fail(`metadata ${key} has the unknown type ${type}`);
    const elementType = this.u32();
    const length = this.u64();
    // Every element takes a byte at least: a length beyond the file is a lie, found before memory is spent on it.
    if (length > this.fileBytes) throw this.fail(`metadata ${key} announces ${length} elements`);
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(elementType, key));
    return values;
  }

  /** Returns where the next `bytes` begin and goes past them. */
  private advance(bytes: number): number {
    const begin = this.offset;
    if (begin + bytes > this.fileBytes) throw this.fail('ends inside its head');
    if (begin + bytes > this.bytes.byteLength) throw new GgufHeadTooShort();
    this.offset += bytes;
    return begin;
  }
}

const textType = 8;
const listType = 9;

interface Scalar {
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => number | boolean;
}

const scalars: ReadonlyMap<number, Scalar> = new Map<number, Scalar>([
  [0, { bytes: 1, read: (view, at) => view.getUint8(at) }],
  [1, { bytes: 1, read: (view, at) => view.getInt8(at) }],
  [2, { bytes: 2, read: (view, at) => view.getUint16(at, true) }],
  [3, { bytes: 2, read: (view, at) => view.getInt16(at, true) }],
  [4, { bytes: 4, read: (view, at) => view.getUint32(at, true) }],
  [5, { bytes: 4, read: (view, at) => view.getInt32(at, true) }],
  [6, { bytes: 4, read: (view, at) => view.getFloat32(at, true) }],
  [7, { bytes: 1, read: (view, at) => view.getUint8(at) !== 0 }],
  [10, { bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) }],
  [11, { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) }],
  [12, { bytes: 8, read: (view, at) => view.getFloat64(at, true) }],
]);
