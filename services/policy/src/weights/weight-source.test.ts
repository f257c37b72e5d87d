import { describe, expect, it } from '@jest/globals';
import { WeightSet } from '@backsight/engine';
import { WeightSource } from './weight-source.js';

/** An engine of one weight that is its version, and how often it was read. */
function counted() {
  const state = { version: 1, reads: 0 };
  const source = new WeightSource({
    readWeights: () => {
      state.reads += 1;
      const weights = new WeightSet(new Map([['w', [1]]]), Float32Array.of(state.version));
      return Promise.resolve({ version: state.version, weights });
    },
  });
  return { state, source };
}

describe('WeightSource', () => {
  it('reads the engine once per change, however many pull', async () => {
    const { state, source } = counted();
    const all = await Promise.all([
      source.current('float32'),
      source.current('float32'),
      source.current('float32'),
    ]);
    expect(new Set(all).size).toBe(1);
    state.version = 2;
    expect((await source.current('float32')).version).toBe(1);
    source.changed();
    expect((await source.current('float32')).version).toBe(2);
    expect(state.reads).toBe(2);
  });

  it('keeps the snapshot before the current one as the base of deltas, by version and checksum', async () => {
    const { state, source } = counted();
    const snapshots = [];
    for (state.version = 1; state.version <= 3; state.version++) {
      source.changed();
      snapshots.push(await source.current('float32'));
    }
    const [first, second, third] = snapshots;
    expect(await source.base('float32', 3, third!.checksum)).toBe(third);
    expect(await source.base('float32', 2, second!.checksum)).toBe(second);
    expect(await source.base('float32', 1, first!.checksum)).toBeUndefined();
    expect(await source.base('float32', 2, third!.checksum)).toBeUndefined();
    expect(await source.base('bfloat16', 3, third!.checksum)).toBeUndefined();
  });

  it('tries again after the engine could not be read', async () => {
    let broken = true;
    const weights = new WeightSet(new Map([['w', [1]]]));
    const source = new WeightSource({
      readWeights: () =>
        broken ? Promise.reject(new Error('busy')) : Promise.resolve({ version: 4, weights }),
    });
    await expect(source.current('float32')).rejects.toThrow('busy');
    broken = false;
    expect((await source.current('float32')).version).toBe(4);
  });
});
