import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSampler, drawUniform } from './sampling.js';

/** Logprobs by definition, in float64: the formula the sampler is held to. */
function logSoftmax(logits: readonly number[], temperature: number): number[] {
  const scaled = logits.map((logit) => logit / temperature);
  const highest = Math.max(...scaled);
  const total = Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - highest), 0)) + highest;
  return scaled.map((value) => value - total);
}

const logits = fc
  .array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 40 })
  .map((values) => Float32Array.from(values));
const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const temperature = fc.double({ min: 0.05, max: 5, noNaN: true });

describe('createSampler', () => {
  it('reports log softmax(logits / temperature) of the token it drew', () => {
    fc.assert(
      fc.property(logits, uniform, temperature, (row, u, t) => {
        const { tokenId, logprob } = createSampler({ temperature: t, topP: 1 })(row, u);
        expect(logprob).toBeCloseTo(logSoftmax([...row], t)[tokenId]!, 9);
      }),
    );
  });

  it('draws token i exactly when the uniform lies in its stretch of the cumulative distribution', () => {
    const row = Float32Array.of(Math.log(1), Math.log(2), Math.log(5));
    const sample = createSampler({ temperature: 1, topP: 1 });
    expect([0, 0.124, 0.126, 0.374, 0.376, 0.999].map((u) => sample(row, u).tokenId)).toEqual([
      0, 0, 1, 1, 2, 2,
    ]);
  });

  it('draws with the frequencies of the distribution', () => {
    const row = Float32Array.of(0, 1, 2, -1);
    const sample = createSampler({ temperature: 0.8, topP: 1 });
    const counts = [0, 0, 0, 0];
    const draws = 20_000;
    for (let i = 0; i < draws; i++) counts[sample(row, drawUniform(1, 0, 0, i)).tokenId]!++;
    logSoftmax([...row], 0.8).forEach((logprob, id) => {
      const p = Math.exp(logprob);
      expect(Math.abs(counts[id]! / draws - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws));
    });
  });

  it('tells the most likely tokens with their logprobs, most likely first', () => {
    const count = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(logits, uniform, temperature, count, (row, u, t, k) => {
        const expected = logSoftmax([...row], t);
        const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, k);
        const { top } = createSampler({ temperature: t, topP: 1 })(row, u, k);
        expect(top.map(({ tokenId }) => tokenId)).toEqual(order.slice(0, top.length));
        for (const { tokenId, logprob } of top) expect(logprob).toBeCloseTo(expected[tokenId]!, 9);
        // Tokens may be left out only where those before them already hold all of the probability.
        if (top.length < order.length) expect(expected[order[top.length]!]!).toBeLessThan(-30);
      }),
    );
  });

  it('tells no token that top-p leaves out, and none unless asked', () => {
    const row = Float32Array.of(Math.log(1), Math.log(2), Math.log(5));
    const sample = createSampler({ temperature: 1, topP: 0.8 });
    const { top, logprob, tokenId } = sample(row, 0.9, 3);
    expect(top.map((one) => one.tokenId)).toEqual([2, 1]);
    expect(top.find((one) => one.tokenId === tokenId)?.logprob).toBe(logprob);
    expect(Math.exp(top[0]!.logprob) + Math.exp(top[1]!.logprob)).toBeCloseTo(1, 12);
    expect(sample(row, 0.9).top).toEqual([]);
    expect(createSampler({ temperature: 0, topP: 0.1 })(row, 0.9, 2).top).toHaveLength(2);
  });

  it('keeps the smallest set whose probability reaches top-p and renormalises over it', () => {
    fc.assert(
      fc.property(
        logits,
        uniform,
        temperature,
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (row, u, t, topP) => {
          const p = logSoftmax([...row], t).map(Math.exp);
          const order = [...p.keys()].sort((a, b) => p[b]! - p[a]! || a - b);
          let mass = 0;
          const kept = order.filter((id) => {
            const within = mass < topP - 1e-12;
            if (within) mass += p[id]!;
            return within;
          });
          const { tokenId, logprob } = createSampler({ temperature: t, topP })(row, u);
          // Float32 ties in the logits may round differently in the two orders; the sets then have equal mass.
          expect(kept.some((id) => Math.abs(p[id]! - p[tokenId]!) < 1e-12)).toBe(true);
          expect(logprob).toBeCloseTo(Math.log(p[tokenId]! / mass), 6);
        },
      ),
    );
  });

  it('breaks ties at the edge of the nucleus by the lower id', () => {
    const sample = createSampler({ temperature: 1, topP: 0.5 });
    const row = Float32Array.of(0, 0, 0, 0);
    const drawn = new Set([0, 0.3, 0.6, 0.99].map((u) => sample(row, u).tokenId));
    expect([...drawn].sort()).toEqual([0, 1]);
    expect(sample(row, 0).logprob).toBeCloseTo(Math.log(1 / 2), 12);
  });

  it('takes the most likely token at temperature 0 and reports its logprob at temperature 1', () => {
    const sample = createSampler({ temperature: 0, topP: 0.1 });
    expect(sample(Float32Array.of(1, 3, 3), 0.99)).toEqual({
      tokenId: 1,
      logprob: expect.closeTo(logSoftmax([1, 3, 3], 1)[1]!, 12),
      top: [],
    });
  });

  it('stays exact for huge and for masked logits', () => {
    const sample = createSampler({ temperature: 1, topP: 1 });
    const row = Float32Array.of(3e38, -3e38, -Infinity);
    expect(sample(row, 0.999999)).toEqual({ tokenId: 0, logprob: 0, top: [] });
    const masked = Float32Array.of(-Infinity, 0, -Infinity, 0);
    expect([0, 0.49, 0.51, 1 - 2 ** -53].map((u) => sample(masked, u).tokenId)).toEqual([1, 1, 3, 3]);
  });

  it('reports exact logprobs of tokens too unlikely for float64 weights to hold precisely', () => {
    const row = Float32Array.of(-740, 0);
    expect(createSampler({ temperature: 1, topP: 1 })(row, 0)).toMatchObject({
      tokenId: 0,
      logprob: -740,
    });
  });

  it('refuses logits that have diverged', () => {
    const sample = createSampler({ temperature: 1, topP: 1 });
    expect(() => sample(Float32Array.of(0, NaN), 0)).toThrow('token 1 is not a number');
    expect(() => sample(Float32Array.of(0, Infinity), 0)).toThrow('diverged');
    expect(() => sample(Float32Array.of(-Infinity), 0)).toThrow('diverged');
  });
});

describe('drawUniform', () => {
  it('depends on seed, prompt, sample and draw, each alone', () => {
    const base = drawUniform(3, 1, 2, 5);
    expect(drawUniform(3, 1, 2, 5)).toBe(base);
    const others = [
      drawUniform(4, 1, 2, 5),
      drawUniform(3, 2, 2, 5),
      drawUniform(3, 1, 3, 5),
      drawUniform(3, 1, 2, 6),
    ];
    expect(new Set([base, ...others, drawUniform(2 ** 32 + 3, 1, 2, 5)]).size).toBe(6);
  });

  it('is uniform: mean 1/2 and variance 1/12', () => {
    const draws = Array.from({ length: 10_000 }, (_, i) =>
      drawUniform(9, i % 10, ((i / 10) % 10) | 0, (i / 100) | 0),
    );
    const mean = draws.reduce((sum, u) => sum + u, 0) / draws.length;
    const variance = draws.reduce((sum, u) => sum + (u - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(4 * Math.sqrt(1 / 12 / draws.length));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / draws.length));
  });
});
