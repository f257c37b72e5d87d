import { open, type FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../errors.js';
import { fileError } from '../file-error.js';
import { GgufHeadTooShort, parseGgufHeader, type GgufHeader, type GgufTensor } from './gguf-header.js';

/** An open GGUF file, whose head is checked before any tensor is read. Errors are `CheckpointError`s naming file and tensor. */
export class GgufFile {
  private constructor(
    readonly path: string,
    readonly header: GgufHeader,
    private readonly handle: FileHandle,
  ) {}

  static async open(path: string): Promise<GgufFile> {
    try {
      const handle = await open(path, 'r');
      try {
        return new GgufFile(path, await readHeader(handle, path), handle);
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      throw fileError(path, error);
    }
  }

  /** Decodes one tensor into `target`, which has exactly its number of elements. */
  async read({ name, format, begin, byteLength }: GgufTensor, target: Float32Array): Promise<void> {
    const bytes = new Uint8Array(byteLength);
    try {
      await readFully(this.handle, bytes, begin);
    } catch (error) {
      throw fileError(this.path, error);
    }
    if (target.length * format.blockBytes !== byteLength * format.blockElements)
      throw new CheckpointError({
        reason: 'invalid',
        file: this.path,
        tensor: name,
        problem: `does not have ${target.length} elements`,
      });
    format.decode(bytes, target);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Reads more and more of the file until the whole head is there; vocabularies make it some megabytes. */
async function readHeader(handle: FileHandle, path: string): Promise<GgufHeader> {
  const { size } = await handle.stat();
  for (let length = Math.min(size, firstBytes); ; length = Math.min(size, 4 * length)) {
    const bytes = new Uint8Array(length);
    await readFully(handle, bytes, 0);
    try {
      return parseGgufHeader(bytes, size, path);
    } catch (error) {
      if (!(error instanceof GgufHeadTooShort) || length === size) throw error;
    }
  }
}

async function readFully(handle: FileHandle, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.byteLength;) {
    const { bytesRead } = await handle.read(target, done, target.byteLength - done, position + done);
    if (bytesRead === 0) throw new Error(`The file ends ${target.byteLength - done} bytes early.`);
    done += bytesRead;
  }
}

const firstBytes = 2 ** 22;
