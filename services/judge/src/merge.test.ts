import { describe, expect, it } from '@jest/globals';
import { inAnyOrder } from './merge.js';

const never = new AbortController().signal;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function* from<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  for (const item of items) yield await Promise.resolve(item);
}

describe('inAnyOrder', () => {
  it('yields each result as it comes', async () => {
    const results: number[] = [];
    const work = async (ms: number) => (await pause(ms), ms);
    for await (const result of inAnyOrder(from([60, 5, 30]), 3, work, never)) results.push(result);
    expect(results).toEqual([5, 30, 60]);
  });

  it('works on no more than the width at a time, and takes no more either', async () => {
    let running = 0;
    let most = 0;
    let taken = 0;
    async function* counted(): AsyncGenerator<number> {
      for (let item = 0; item < 10; item++) {
        taken += 1;
        yield await Promise.resolve(item);
      }
    }
    const work = async (item: number) => {
      most = Math.max(most, ++running);
      expect(taken).toBeLessThanOrEqual(item + 2);
      await pause(2);
      running -= 1;
      return item;
    };
    const results: number[] = [];
    for await (const result of inAnyOrder(counted(), 2, work, never)) results.push(result);
    expect(most).toBe(2);
    expect(results).toHaveLength(10);
  });

  it('aborts the work and waits for it when its caller stops', async () => {
    let ended = 0;
    const work = async (item: number, signal: AbortSignal) => {
      if (item === 0) return (await pause(20), item);
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      await pause(5);
      ended += 1;
      return item;
    };
    for await (const _ of inAnyOrder(from([0, 1, 2]), 3, work, never)) break;
    expect(ended).toBe(2);
  });

  it('fails when work fails, and when the items do', async () => {
    const failing = async () => {
      for await (const _ of inAnyOrder(from([1]), 1, () => Promise.reject(new Error('work')), never));
    };
    await expect(failing()).rejects.toThrow('work');
    async function* broken(): AsyncGenerator<number> {
      yield 1;
      await Promise.resolve();
      throw new Error('items');
    }
    const reading = async () => {
      for await (const _ of inAnyOrder(broken(), 1, (item) => Promise.resolve(item), never));
    };
    await expect(reading()).rejects.toThrow('items');
  });
});
