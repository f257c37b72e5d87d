import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { encodeFrame, FrameReader, StreamEnded } from './frames.js';

const frame = encodeFrame({ event: 'ran', bytes: 5 }, [Buffer.from('he'), Buffer.from('llo')]);

describe('FrameReader', () => {
  it.each([1, 3, 7, 1000])('reads frames that arrive in pieces of %d bytes', async (piece) => {
    const stream = new PassThrough();
    const all = Buffer.concat([frame, frame]);
    for (let at = 0; at < all.length; at += piece) stream.write(all.subarray(at, at + piece));
    stream.end();
    const reader = new FrameReader(stream);
    for (let time = 0; time < 2; time++) {
      expect(await reader.readHeader()).toEqual({ event: 'ran', bytes: 5 });
      expect((await reader.readBytes(5)).toString()).toBe('hello');
    }
    await expect(reader.readHeader()).rejects.toThrow(StreamEnded);
  });

  it('says that a stream ended in the middle of a frame', async () => {
    const stream = new PassThrough();
    stream.end(frame.subarray(0, 10));
    await expect(new FrameReader(stream).readHeader()).rejects.toThrow(StreamEnded);
  });
});
