import { describe, expect, it } from '@jest/globals';
import { notFound } from '@backsight/rpc';
import './matchers.js';

describe('toBeCloseToArray', () => {
  it('accepts what is within the tolerance', () => {
    expect(Float32Array.of(0.1, 0.2)).toBeCloseToArray([0.1, 0.2], 1e-7);
  });

  it('names the farthest element', () => {
    expect(() => {
      expect([1, 2, 3]).toBeCloseToArray([1, 2.5, 3.1], 0.2);
    }).toThrow('element 1: expected 2.5, received 2, 0.5 apart (tolerance 0.2)');
  });

  it.each([[[1, Number.NaN]], [[1]]])('refuses %j for [1, 2]', (received) => {
    expect(() => {
      expect(received).toBeCloseToArray([1, 2]);
    }).toThrow(/expected 2/);
  });
});

describe('toFailWith', () => {
  it('refuses a promise that resolves', async () => {
    const judged = expect(Promise.resolve(1)).toFailWith({ code: 'NOT_FOUND' });
    await expect(judged).rejects.toThrow('expected a failure, received 1');
  });

  it('refuses another failure', async () => {
    const judged = expect(Promise.reject(notFound('task', 'x'))).toFailWith({ code: 'ABORTED' });
    await expect(judged).rejects.toThrow('NOT_FOUND');
  });
});
