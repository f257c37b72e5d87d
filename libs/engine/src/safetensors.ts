import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { CheckpointError } from './errors.js';
import { fileError } from './file-error.js';
import { widenBfloat16, widenFloat16 } from './half-floats.js';
import {
  formatSafetensorsHeader,
  lengthPrefixBytes,
  maxHeaderBytes,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.js';
import { bytesOf, elementCount, type TensorView } from './weights.js';

/** Longest single read or write, in bytes. */
const pieceBytes = 16 * 2 ** 20;

/**
 * An open safetensors file, whose header is checked before any tensor is read.
 *
 * Tensors of type F32, F16 and BF16 are read as float32. Every error is a `CheckpointError` naming the file and the tensor.
 * Bytes are taken as the host orders them: little-endian, as on every platform the engines run on.
 */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    readonly header: SafetensorsHeader,
    private readonly handle: FileHandle,
  ) {}

  static async open(path: string): Promise<SafetensorsFile> {
    try {
      const handle = await open(path, 'r');
      try {
        return new SafetensorsFile(path, await readHeader(handle, path), handle);
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      throw fileError(path, error);
    }
  }

  /** Reads one tensor into `target`, which has exactly its number of elements. */
  async read(name: string, target: Float32Array): Promise<void> {
    const entry = this.header.tensors.get(name);
    if (entry === undefined) throw this.fail(name, 'is missing');
    const count = elementCount(entry.shape);
    if (count !== target.length)
      throw this.fail(name, `has ${count} elements where ${target.length} are expected`);
    try {
      await this.readEntry(entry, target);
    } catch (error) {
      throw fileError(this.path, error);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async readEntry(entry: TensorEntry, target: Float32Array): Promise<void> {
    switch (entry.dtype) {
      case 'F32':
        return this.fill(entry.name, entry.begin, bytesOf(target));
      case 'F16':
        return this.widen(entry, target, widenFloat16);
      case 'BF16':
        return this.widen(entry, target, widenBfloat16);
      default:
        throw this.fail(entry.name, `has dtype ${entry.dtype}; F32, F16 and BF16 are read`);
    }
  }

  private async widen(
    entry: TensorEntry,
    target: Float32Array,
    convert: (source: Uint16Array, target: Float32Array) => void,
  ): Promise<void> {
    const piece = pieceBytes / 2;
    for (let begin = 0; begin < target.length; begin += piece) {
      const part = target.subarray(begin, begin + piece);
      const source = new Uint16Array(part.length);
      await this.fill(entry.name, entry.begin + 2 * begin, new Uint8Array(source.buffer));
      convert(source, part);
    }
  }

  private async fill(tensor: string, position: number, target: Uint8Array): Promise<void> {
    if (!(await readFully(this.handle, position, target)))
      throw this.fail(tensor, 'the file ends inside its data');
  }

  private fail(tensor: string, problem: string): CheckpointError {
    return new CheckpointError({ reason: 'invalid', file: this.path, tensor, problem });
  }
}

/** The size and checksum of a file that was just written. */
export interface WrittenFile {
  readonly sizeBytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Writes float32 tensors in the given order to a new file, flushed to the disk. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorView[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  for (const { name, shape, values } of tensors)
    if (elementCount(shape) !== values.length)
      throw new RangeError(`${name} has ${values.length} values, but shape [${shape.join(', ')}].`);
  const header = Buffer.from(formatSafetensorsHeader(tensors, metadata));
  const prefix = Buffer.alloc(lengthPrefixBytes);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return writeNewFile(path, [prefix, header, ...tensors.map(({ values }) => bytesOf(values))]);
}

/** Writes byte ranges one after the other to a file that must not exist yet, flushed to the disk. */
export async function writeNewFile(path: string, parts: readonly Uint8Array[]): Promise<WrittenFile> {
  try {
    const handle = await open(path, 'wx');
    try {
      const hash = createHash('sha256');
      let sizeBytes = 0;
      for (const piece of parts.flatMap(pieces)) {
        await writeFully(handle, piece);
        hash.update(piece);
        sizeBytes += piece.byteLength;
      }
      await handle.sync();
      return { sizeBytes, sha256: hash.digest('hex') };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

/** How the text begins that Git leaves in place of a large file which was not fetched. */
const lfsPointerStart = 'version ';

async function readHeader(handle: FileHandle, path: string): Promise<SafetensorsHeader> {
  const fail = (problem: string) => new CheckpointError({ reason: 'invalid', file: path, problem });
  const { size } = await handle.stat();
  const prefix = Buffer.alloc(lengthPrefixBytes);
  if (size < lengthPrefixBytes || !(await readFully(handle, 0, prefix)))
    throw fail(`has ${size} bytes, too few for a safetensors file`);
  if (prefix.toString('latin1') === lfsPointerStart)
    throw fail('is a pointer of Git LFS and not the weights; fetch these with git lfs pull');
  const length = prefix.readBigUInt64LE();
  if (length > BigInt(maxHeaderBytes) || Number(length) > size - lengthPrefixBytes)
    throw fail(
      `announces a header of ${length.toString()} bytes in a file of ${size}; it is cut short or no safetensors file`,
    );
  const header = Buffer.alloc(Number(length));
  if (!(await readFully(handle, lengthPrefixBytes, header))) throw fail('ends inside its header');
  return parseSafetensorsHeader(header.toString('utf8'), header.length, size, path);
}

/** Fills `target` from `position` on; false when the file ends before. */
async function readFully(handle: FileHandle, position: number, target: Uint8Array): Promise<boolean> {
  for (let done = 0; done < target.byteLength;) {
    const length = Math.min(pieceBytes, target.byteLength - done);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

async function writeFully(handle: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.byteLength;) {
    const { bytesWritten } = await handle.write(piece, done, piece.byteLength - done);
    done += bytesWritten;
  }
}

function pieces(part: Uint8Array): Uint8Array[] {
  const count = Math.ceil(part.byteLength / pieceBytes);
  return Array.from({ length: count }, (_, i) => part.subarray(i * pieceBytes, (i + 1) * pieceBytes));
}
