import { describe, expect, it } from '@jest/globals';
import { WeightsGate } from './weights-gate.js';

/** Work that notes when it begins and ends, and lasts until it is told to end. */
function track(log: string[], name: string) {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const work = async () => {
    log.push(`${name} in`);
    await ended;
    log.push(`${name} out`);
  };
  return { work, end };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('WeightsGate', () => {
  it('lets readers in together and writers alone, in the order they came', async () => {
    const gate = new WeightsGate();
    const log: string[] = [];
    const [first, second, writer, late] = ['first', 'second', 'writer', 'late'].map((name) =>
      track(log, name),
    );
    const all = [
      gate.read(first!.work),
      gate.read(second!.work),
      gate.write(writer!.work),
      gate.read(late!.work),
    ];
    await settle();
    expect(log).toEqual(['first in', 'second in']);
    expect(gate.writerWaits).toBe(true);
    first!.end();
    await settle();
    expect(log.at(-1)).toBe('first out');
    second!.end();
    await settle();
    expect(log.slice(3)).toEqual(['second out', 'writer in']);
    expect(gate.writerWaits).toBe(false);
    writer!.end();
    late!.end();
    await Promise.all(all);
    expect(log.slice(5)).toEqual(['writer out', 'late in', 'late out']);
  });

  it('is left by work that fails', async () => {
    const gate = new WeightsGate();
    await expect(gate.write(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gate.read(() => Promise.resolve(1))).toBe(1);
  });
});
