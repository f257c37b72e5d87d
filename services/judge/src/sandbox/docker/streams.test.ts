import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { separate } from './streams.js';

const frame = (kind: number, content: string): Buffer => {
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32BE(Buffer.byteLength(content), 4);
  return Buffer.concat([header, Buffer.from(content)]);
};

describe('separate', () => {
  it.each([1, 3, 8, 1000])('puts together what comes in pieces of %d bytes', async (size) => {
    const connection = new PassThrough();
    const [answers, complaints] = [new PassThrough(), new PassThrough()];
    separate(connection, answers, complaints);
    const sent = Buffer.concat([
      frame(1, 'one, '),
      frame(2, 'no'),
      frame(1, ''),
      frame(1, 'two'),
      frame(2, '!'),
    ]);
    for (let at = 0; at < sent.length; at += size) connection.write(sent.subarray(at, at + size));
    connection.end();
    expect(await Promise.all([text(answers), text(complaints)])).toEqual(['one, two', 'no!']);
  });

  it('lets a slow reader hold up the connection', async () => {
    const connection = new PassThrough();
    const [answers, complaints] = [new PassThrough({ highWaterMark: 4 }), new PassThrough()];
    separate(connection, answers, complaints);
    const content = 'x'.repeat(100);
    for (let piece = 0; piece < 50; piece++) connection.write(frame(1, content));
    connection.end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(connection.isPaused()).toBe(true);
    expect(await text(answers)).toBe(content.repeat(50));
  });

  it('waits for a slow reader once, however many frames one piece holds, and for each of two', async () => {
    const connection = new PassThrough();
    const [answers, complaints] = [1, 2].map(() => new PassThrough({ highWaterMark: 4 }));
    if (answers === undefined || complaints === undefined) throw new Error('there are two');
    separate(connection, answers, complaints);
    const frames = Array.from({ length: 50 }, () => [frame(1, 'answer'), frame(2, 'complaint')]).flat();
    connection.write(Buffer.concat(frames));
    await new Promise((resolve) => setImmediate(resolve));
    expect([answers, complaints].map((each) => each.listenerCount('drain'))).toEqual([1, 1]);
    const heard = text(answers);
    await new Promise((resolve) => setImmediate(resolve));
    expect(connection.isPaused()).toBe(true);
    connection.end();
    expect(await text(complaints)).toBe('complaint'.repeat(50));
    expect(await heard).toBe('answer'.repeat(50));
  });

  it('ends a connection that has lost its place', async () => {
    const connection = new PassThrough();
    const failed = new Promise((resolve) => connection.once('error', resolve));
    separate(connection, new PassThrough(), new PassThrough());
    connection.write('{"AttachStdin": true}');
    await expect(failed).resolves.toMatchObject({ message: 'a container sends frames of kind 123' });
  });
});
