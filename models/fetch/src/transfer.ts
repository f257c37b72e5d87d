import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * Appends a stream of bytes to a file and flushes it to the disk. `written` is told the bytes of each piece.
 *
 * An abort or an error leaves what has arrived, so that a later call can go on from there.
 */
export async function append(
  path: string,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  written: (bytes: number) => void,
): Promise<void> {
  const handle = await open(path, 'a');
  try {
    for await (const piece of source) {
      signal.throwIfAborted();
      await handle.writeFile(piece);
      written(piece.byteLength);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The SHA-256 of a file in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  return digest(path, 'sha256', '');
}

/** The id that git gives a file's content, which the hub gives for small files. */
export async function gitBlobId(path: string, size: number): Promise<string> {
  return digest(path, 'sha1', `blob ${size}\0`);
}

async function digest(path: string, algorithm: string, prefix: string): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  for await (const piece of bytesOf(path)) hash.update(piece);
  return hash.digest('hex');
}

/** The bytes of a file, piece by piece. */
export async function* bytesOf(path: string): AsyncGenerator<Uint8Array, void, void> {
  const stream: AsyncIterable<unknown> = createReadStream(path, { highWaterMark: 2 ** 20 });
  for await (const piece of stream) if (piece instanceof Uint8Array) yield piece;
}
