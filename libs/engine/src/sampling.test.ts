import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSampler, drawFromBlock, drawUniform } from './sampling.js';

/** Logprobs by definition, in float64: the formula the sampler is held to. */
function logSoftmax(logits: readonly number[], temperature: number): number[] {
  const scaled = logits.map((logit) => logit / temperature);
  const highest = Math.max(...scaled);
  const total = Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - highest), 0)) + highest;
  return scaled.map((value) => value - total);
}

/** Probabilities as a graph hands them over: softmax of the scaled logits, in float32. */
function probabilities(logits: readonly number[], temperature = 1): Float32Array {
  return Float32Array.from(logSoftmax(logits, temperature), Math.exp);
}

/** Not so far apart that a probability leaves the normal numbers of float32, which no uniform but 0 would draw. */
const logits = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 40 });
const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const temperature = fc.double({ min: 0.5, max: 5, noNaN: true });

describe('createSampler', () => {
  it('reports the logprob of the token it drew', () => {
    fc.assert(
      fc.property(logits, uniform, temperature, (row, u, t) => {
        const { tokenId, logprob } = createSampler({ temperature: t, topP: 1 })(probabilities(row, t), u);
        expect(logprob).toBeCloseTo(logSoftmax(row, t)[tokenId]!, 6);
      }),
    );
  });

  it('draws token i exactly when the uniform lies in its stretch of the cumulative distribution', () => {
    const row = Float32Array.of(1 / 8, 2 / 8, 5 / 8);
    const sample = createSampler({ temperature: 1, topP: 1 });
    expect([0, 0.124, 0.126, 0.374, 0.376, 0.999].map((u) => sample(row, u).tokenId)).toEqual([
      0, 0, 1, 1, 2, 2,
    ]);
  });

  it('draws with the frequencies of the distribution', () => {
    const row = probabilities([0, 1, 2, -1], 0.8);
    const sample = createSampler({ temperature: 0.8, topP: 1 });
    const counts = [0, 0, 0, 0];
    const draws = 20_000;
    for (let i = 0; i < draws; i++) counts[sample(row, drawUniform(1, 0, 0, i)).tokenId]!++;
    row.forEach((p, id) => {
      expect(Math.abs(counts[id]! / draws - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws));
    });
  });

  it('tells the most likely tokens with their logprobs, most likely first', () => {
    const count = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(logits, uniform, temperature, count, (logits, u, t, k) => {
        const row = probabilities(logits, t);
        const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, k);
        const { top } = createSampler({ temperature: t, topP: 1 })(row, u, k);
        expect(top.map(({ tokenId }) => tokenId)).toEqual(order.slice(0, top.length));
        for (const { tokenId, logprob } of top) expect(logprob).toBe(Math.log(row[tokenId]!));
        // Tokens may be left out only where those before them already hold all of the probability.
        if (top.length < order.length) expect(row[order[top.length]!]!).toBeLessThan(1e-6);
      }),
    );
  });

  it('tells no token that top-p leaves out, and none unless asked', () => {
    const row = Float32Array.of(1 / 8, 2 / 8, 5 / 8);
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
      fc.property(logits, uniform, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (logits, u, topP) => {
        const p = probabilities(logits);
        const order = [...p.keys()].sort((a, b) => p[b]! - p[a]! || a - b);
        let mass = 0;
        const kept = order.filter((id) => {
          const within = mass < topP;
          if (within) mass += p[id]!;
          return within;
        });
        const { tokenId, logprob } = createSampler({ temperature: 1, topP })(p, u);
        expect(kept).toContain(tokenId);
        expect(logprob).toBeCloseTo(Math.log(p[tokenId]! / mass), 12);
      }),
    );
  });

  it('breaks ties at the edge of the nucleus by the lower id', () => {
    const sample = createSampler({ temperature: 1, topP: 0.5 });
    const row = Float32Array.of(1 / 4, 1 / 4, 1 / 4, 1 / 4);
    const drawn = new Set([0, 0.3, 0.6, 0.99].map((u) => sample(row, u).tokenId));
    expect([...drawn].sort()).toEqual([0, 1]);
    expect(sample(row, 0).logprob).toBeCloseTo(Math.log(1 / 2), 12);
  });

  it('takes the most likely token at temperature 0 and reports its logprob at temperature 1', () => {
    const sample = createSampler({ temperature: 0, topP: 0.1 });
    const row = probabilities([1, 3, 3]);
    expect(sample(row, 0.99)).toEqual({ tokenId: 1, logprob: Math.log(row[1]!), top: [] });
  });

  it('draws no token without probability', () => {
    const sample = createSampler({ temperature: 1, topP: 1 });
    const row = Float32Array.of(0, 1 / 2, 0, 1 / 2, 0);
    expect([0, 0.49, 0.51, 1 - 2 ** -53].map((u) => sample(row, u).tokenId)).toEqual([1, 1, 3, 3]);
  });

  it('gives what rounding has left out to no single token', () => {
    const sample = createSampler({ temperature: 1, topP: 1 });
    // They add up to 0.9: a uniform of 0.95 is then taken as that share of the sum.
    const row = Float32Array.of(0.45, 0.445, 0.005);
    expect([0.95, 0.999].map((u) => sample(row, u).tokenId)).toEqual([1, 2]);
  });

  it.each([0, 0.7, 1])('refuses probabilities that have diverged (top-p or temperature %p)', (setting) => {
    const settings = setting === 0 ? { temperature: 0, topP: 1 } : { temperature: 1, topP: setting };
    expect(() => createSampler(settings)(Float32Array.of(NaN, NaN), 0.3)).toThrow(
      'the weights have diverged',
    );
  });
});

describe('drawFromBlock', () => {
  it('draws from the block of the uniform what a sampler draws from the whole', () => {
    const row = Float32Array.of(1 / 16, 1 / 16, 0, 1 / 8, 1 / 4, 0, 0, 1 / 2);
    const whole = createSampler({ temperature: 1, topP: 1 });
    for (const u of [0, 0.06, 0.07, 0.13, 0.24, 0.26, 0.49, 0.51, 0.99]) {
      const firstToken = u < 1 / 4 ? 0 : 4;
      const block = {
        firstToken,
        before: firstToken / 16,
        total: 1,
        probabilities: row.subarray(firstToken, firstToken + 4),
      };
      const { tokenId, logprob } = whole(row, u);
      expect(drawFromBlock(block, u)).toEqual({ tokenId, logprob });
    }
  });

  it('stays in its block, at a token of some probability, where rounding points outside', () => {
    const block = { firstToken: 8, before: 0.5, total: 1, probabilities: Float32Array.of(0, 0.2, 0.1, 0) };
    expect([0.499999, 0.5, 0.81].map((u) => drawFromBlock(block, u).tokenId)).toEqual([9, 9, 10]);
  });

  it('takes the uniform as a share of the sum', () => {
    const block = { firstToken: 0, before: 0, total: 0.9, probabilities: Float32Array.of(0.45, 0.45) };
    expect([0.49, 0.51].map((u) => drawFromBlock(block, u).tokenId)).toEqual([0, 1]);
  });

  it('refuses probabilities that have diverged', () => {
    const block = { firstToken: 0, before: NaN, total: NaN, probabilities: Float32Array.of(NaN, NaN) };
    expect(() => drawFromBlock(block, 0.3)).toThrow('the weights have diverged');
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
