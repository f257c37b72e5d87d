import { describe, expect, it } from '@jest/globals';
import { KeptRoom } from './kept-room.js';
import type { RoomProcess } from './room-process.js';

/** A process whose end is up to the test. */
function fakeProcess() {
  let end: (words: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  let stops = 0;
  const process: RoomProcess = {
    room: 'judge',
    pid: 1,
    ended,
    stop: () => {
      stops += 1;
      end('It was stopped.');
      return Promise.resolve();
    },
  };
  return { process, end, stops: () => stops };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('KeptRoom', () => {
  it('starts a room again that ended by itself, and tells so', async () => {
    const [first, second] = [fakeProcess(), fakeProcess()];
    const told: string[] = [];
    const room = new KeptRoom(
      first.process,
      () => Promise.resolve(second.process),
      (words) => told.push(words),
    );
    first.end('It ended.');
    await settled();
    expect(told).toEqual(['It ended. It was started again.']);
    await room.stop();
    expect(second.stops()).toBe(1);
  });

  it('gives up on a room that ends again and again', async () => {
    const ends = [fakeProcess(), fakeProcess(), fakeProcess()];
    for (const [index, each] of ends.entries()) each.end(`End ${index + 1}.`);
    let started = 0;
    const room = new KeptRoom(
      ends[0]!.process,
      () => Promise.resolve(ends[(started += 1)]!.process),
      () => undefined,
    );
    expect(await room.broken).toBe('End 3.');
    expect(started).toBe(2);
  });

  it('gives up when the room cannot be started again, in its words', async () => {
    const only = fakeProcess();
    only.end('It ended.');
    const room = new KeptRoom(
      only.process,
      () => Promise.reject(new Error('The disk is full.')),
      () => undefined,
    );
    expect(await room.broken).toBe('The disk is full.');
  });

  it('leaves a room as it is when nobody wants to be told', async () => {
    const only = fakeProcess();
    const room = new KeptRoom(only.process, () => Promise.reject(new Error('was started')));
    only.end('It ended.');
    expect(await room.broken).toBe('It ended.');
  });

  it('stops a room that is just being started again', async () => {
    const [first, second] = [fakeProcess(), fakeProcess()];
    let start: () => void = () => undefined;
    const starting = new Promise<RoomProcess>((resolve) => {
      start = () => {
        resolve(second.process);
      };
    });
    const room = new KeptRoom(
      first.process,
      () => starting,
      () => undefined,
    );
    first.end('It ended.');
    await settled();
    const stopped = room.stop();
    start();
    await stopped;
    expect(second.stops()).toBe(1);
  });
});
