import { describe, expect, it } from '@jest/globals';
import { ByteQueue } from './byte-queue.js';

const text = async (queue: ByteQueue): Promise<string> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of queue) pieces.push(piece);
  return Buffer.concat(pieces).toString();
};

describe('ByteQueue', () => {
  it('hands on what was written before it is read, and after', async () => {
    const queue = new ByteQueue();
    queue.write(Buffer.from('a'));
    const read = text(queue);
    await Promise.resolve();
    queue.write(Buffer.from('b'));
    await new Promise((resolve) => setTimeout(resolve, 1));
    queue.write(Buffer.from('c'));
    queue.end();
    expect(await read).toBe('abc');
  });

  it('takes nothing once it has ended', async () => {
    const queue = new ByteQueue();
    queue.end();
    queue.write(Buffer.from('late'));
    expect(await text(queue)).toBe('');
  });
});
