/** Frames to and from a slot: a length (32 bits, little-endian), a JSON header, then the bytes the header announces. */
import type { Readable } from 'node:stream';

/** A frame of a header and the bytes that go with it. */
export function encodeFrame(header: object, blobs: readonly Uint8Array[] = []): Buffer {
  const encoded = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(encoded.length);
  return Buffer.concat([length, encoded, ...blobs]);
}

/** The stream ended in the middle of a frame, or where one was expected. */
export class StreamEnded extends Error {
  override readonly name = 'StreamEnded';
}

/** Reads frames from a stream, one reader at a time. */
export class FrameReader {
  private readonly chunks: AsyncIterator<unknown, unknown>;
  private pending: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.chunks = stream[Symbol.asyncIterator]();
  }

  /** The next header, parsed but not checked. */
  async readHeader(): Promise<unknown> {
    const length = (await this.readBytes(4)).readUInt32LE();
    const header: unknown = JSON.parse((await this.readBytes(length)).toString());
    return header;
  }

  /** The next `count` bytes. */
  async readBytes(count: number): Promise<Buffer> {
    if (this.pending.length < count) await this.fill(count);
    const bytes = this.pending.subarray(0, count);
    this.pending = this.pending.subarray(count);
    return bytes;
  }

  private async fill(count: number): Promise<void> {
    const parts = [this.pending];
    let length = this.pending.length;
    while (length < count) {
      const { done, value } = await this.chunks.next();
      if (done === true || !Buffer.isBuffer(value)) throw new StreamEnded('the stream ended');
      parts.push(value);
      length += value.length;
    }
    this.pending = Buffer.concat(parts, length);
  }
}
