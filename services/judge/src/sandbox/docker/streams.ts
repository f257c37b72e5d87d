/** Takes apart what a container's standard output and standard error send over one connection. */
import type { Readable, Writable } from 'node:stream';

/** Of a frame: the stream it belongs to, three bytes of nothing, its length (32 bits, big-endian). */
const headerBytes = 8;
const [output, complaint] = [1, 2];

/**
 * Writes what comes to one of two streams, as fast as these take it, and ends both when the connection ends.
 * dockerode's own copies everything with every piece, and takes a stream that has lost its place for output.
 */
export function separate(connection: Readable, answers: Writable, complaints: Writable): void {
  let header = Buffer.alloc(0);
  let current: Writable = answers;
  let left = 0;

  const take = (piece: Buffer): void => {
    let rest = piece;
    while (rest.length > 0) {
      if (left === 0) {
        const missing = headerBytes - header.length;
        header = Buffer.concat([header, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (header.length < headerBytes) return;
        const kind = header[0];
        if (kind !== output && kind !== complaint) {
          connection.destroy(new Error(`a container sends frames of kind ${kind ?? ''}`));
          return;
        }
        current = kind === output ? answers : complaints;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
      }
      const part = rest.subarray(0, left);
      rest = rest.subarray(part.length);
      left -= part.length;
      if (!current.write(part)) wait(current);
    }
  };
  // The rest of a piece is written nonetheless: of each stream, one drain is waited for, however often it was full.
  const full = new Set<Writable>();
  const wait = (slow: Writable): void => {
    if (full.has(slow)) return;
    full.add(slow);
    connection.pause();
    slow.once('drain', () => {
      full.delete(slow);
      if (full.size === 0) connection.resume();
    });
  };
  const end = (): void => {
    answers.end();
    complaints.end();
  };
  connection.on('data', take);
  connection.once('close', end);
  connection.once('end', end);
}
