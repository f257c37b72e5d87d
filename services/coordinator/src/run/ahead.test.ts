import { describe, expect, it } from '@jest/globals';
import { Ahead } from './ahead.js';

/** Plays that end when they are told to. */
function stage() {
  const ends = new Map<number, () => void>();
  const begun: number[] = [];
  const ahead = new Ahead(async (step, signal) => {
    begun.push(step);
    await new Promise<void>((resolve, reject) => {
      ends.set(step, resolve);
      signal.addEventListener('abort', () => {
        reject(new Error(`step ${step} was abandoned`));
      });
    });
    return `step ${step}`;
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { ahead, begun, settle, end: (step: number) => ends.get(step)?.() };
}

describe('Ahead', () => {
  it('plays a step when it is taken, unless it was begun before', async () => {
    const { ahead, begun, settle, end } = stage();
    const first = ahead.take(1);
    await settle();
    end(1);
    expect(await first).toBe('step 1');
    ahead.begin(2);
    await settle();
    const second = ahead.take(2);
    end(2);
    expect(await second).toBe('step 2');
    expect(begun).toEqual([1, 2]);
  });

  it('plays one step after the other', async () => {
    const { ahead, begun, settle, end } = stage();
    ahead.begin(1);
    ahead.begin(2);
    ahead.begin(1);
    await settle();
    expect(begun).toEqual([1]);
    end(1);
    await settle();
    expect(begun).toEqual([1, 2]);
    await ahead.abandon();
  });

  it('tells of a failure when the step is taken, not before', async () => {
    const ahead = new Ahead((step) => Promise.reject(new Error(`step ${step} failed`)));
    ahead.begin(1);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(ahead.take(1)).rejects.toThrow('step 1 failed');
    // A step that failed is played again when it is taken again.
    await expect(ahead.take(1)).rejects.toThrow('step 1 failed');
  });

  it('leaves nothing running when it is abandoned, and begins anew', async () => {
    const { ahead, begun, settle, end } = stage();
    ahead.begin(1);
    ahead.begin(2);
    await settle();
    await ahead.abandon();
    const again = ahead.take(1);
    await settle();
    end(1);
    expect(await again).toBe('step 1');
    expect(begun.at(-1)).toBe(1);
  });
});
