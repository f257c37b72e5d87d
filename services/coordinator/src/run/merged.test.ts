import { describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { merged } from './merged.js';

async function* ticking(name: string, ms: number, times: number): AsyncGenerator<string, void, void> {
  for (let tick = 1; tick <= times; tick += 1) {
    await delay(ms);
    yield `${name}${tick}`;
  }
}

const collect = async (stream: AsyncIterable<string>) => {
  const found: string[] = [];
  for await (const each of stream) found.push(each);
  return found;
};

describe('merged', () => {
  it('yields everything of all streams, each in its order, whatever comes first', async () => {
    let stopped = 0;
    const all = await collect(merged([ticking('a', 40, 2), ticking('b', 5, 3)], () => (stopped += 1)));
    expect(all.slice(0, 3)).toEqual(['b1', 'b2', 'b3']);
    expect(all.slice(3)).toEqual(['a1', 'a2']);
    expect(stopped).toBe(1);
  });

  it('stops the others when one throws, and waits for them', async () => {
    const controller = new AbortController();
    let ended = false;
    async function* patient(): AsyncGenerator<string, void, void> {
      try {
        await delay(10_000, undefined, { signal: controller.signal });
        yield 'never';
      } finally {
        ended = true;
      }
    }
    async function* failing(): AsyncGenerator<string, void, void> {
      yield 'first';
      await delay(5);
      throw new Error('broken');
    }
    const stream = merged([patient(), failing()], () => {
      controller.abort();
    });
    await expect(collect(stream)).rejects.toThrow('broken');
    expect(ended).toBe(true);
  });
});
