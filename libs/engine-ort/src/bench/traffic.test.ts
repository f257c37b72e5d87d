import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { never, TestEngines } from '../test-engine.js';
import { soak } from './traffic.js';

let engines: TestEngines;
beforeAll(async () => {
  engines = await TestEngines.create();
});
afterAll(() => engines.remove());

describe('soak', () => {
  it('mixes requests, cancels many of them, and finds every slot again', async () => {
    const engine = await engines.load();
    const { requests, cancelled, growth } = await soak({
      engine,
      minutes: 0,
      seed: 1,
      signal: never,
      print: () => undefined,
    });
    expect(requests).toBe(20 * 9 + 5);
    expect(cancelled).toBeGreaterThan(10);
    expect(cancelled).toBeLessThan(20 * 8);
    expect(engine.version).toBe(5);
    expect(growth).toBeLessThan(1);
    await engines.closeAll();
  });

  it('ends when it is told to', async () => {
    const engine = await engines.load();
    const signal = AbortSignal.abort(new Error('enough'));
    const soaked = soak({ engine, minutes: 60, seed: 1, signal, print: () => undefined });
    await expect(soaked).rejects.toThrow('enough');
  });
});
