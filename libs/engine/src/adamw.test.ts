import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AdamW, clipScale, globalNorm } from './adamw.js';

const settings = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

describe('AdamW', () => {
  it('moves each weight by the learning rate on the first step, whatever the gradient: m-hat / sqrt(v-hat) = sign(g)', () => {
    const weights = Float32Array.of(1, 1, 1);
    new AdamW(3).step(weights, Float32Array.of(5, -0.001, 0), settings);
    expect(weights[0]).toBeCloseTo(1 - 0.01, 6);
    expect(weights[1]).toBeCloseTo(1 + 0.01, 6);
    expect(weights[2]).toBe(1);
  });

  it('follows the formula over several steps, decay and clipping included', () => {
    const full = {
      ...settings,
      learningRate: 0.1,
      beta1: 0.8,
      beta2: 0.95,
      weightDecay: 0.1,
      maxGradientNorm: 1,
    };
    const optimizer = new AdamW(2);
    const weights = Float32Array.of(0.5, -2);
    let [w, m, v] = [
      [0.5, -2],
      [0, 0],
      [0, 0],
    ];
    for (let t = 1; t <= 6; t++) {
      const gradient = [Math.sin(t), 3 * Math.cos(t)];
      const { gradientNorm } = optimizer.step(weights, Float32Array.from(gradient), full);
      const norm = Math.hypot(...gradient);
      expect(gradientNorm).toBeCloseTo(norm, 6);
      const g = gradient.map((value) => value * Math.min(1, 1 / norm));
      m = m.map((old, i) => 0.8 * old + 0.2 * g[i]!);
      v = v.map((old, i) => 0.95 * old + 0.05 * g[i]! ** 2);
      w = w.map((old, i) => {
        const step = m[i]! / (1 - 0.8 ** t) / (Math.sqrt(v[i]! / (1 - 0.95 ** t)) + 1e-8);
        return (1 - 0.1 * 0.1) * old - 0.1 * step;
      });
      w.forEach((value, i) => {
        expect(weights[i]).toBeCloseTo(value, 5);
      });
    }
    expect(optimizer.steps).toBe(6);
  });

  it('decays weights without a gradient by 1 - lr wd, decoupled from the moments', () => {
    const weights = Float32Array.of(2);
    const optimizer = new AdamW(1);
    optimizer.step(weights, Float32Array.of(0), { ...settings, weightDecay: 0.5 });
    expect(weights[0]).toBe(Math.fround(2 * (1 - 0.01 * 0.5)));
    expect(optimizer.secondMoment[0]).toBe(0);
  });

  it.each([NaN, Infinity, -Infinity])('leaves everything as it was when the gradient holds %p', (bad) => {
    const optimizer = new AdamW(2);
    const weights = Float32Array.of(1, 2);
    optimizer.step(weights, Float32Array.of(1, 1), settings);
    const before = { weights: weights.slice(), state: optimizer.clone() };
    expect(optimizer.step(weights, Float32Array.of(1, bad), settings)).toMatchObject({ skipped: true });
    expect(weights).toEqual(before.weights);
    expect(optimizer).toEqual(before.state);
  });

  it('goes on from saved moments to the same bits', () => {
    const gradient = (t: number) => Float32Array.of(Math.sin(t), Math.cos(t), t);
    const whole = { optimizer: new AdamW(3), weights: Float32Array.of(1, 2, 3) };
    for (let t = 0; t < 4; t++) whole.optimizer.step(whole.weights, gradient(t), settings);
    const first = { optimizer: new AdamW(3), weights: Float32Array.of(1, 2, 3) };
    for (let t = 0; t < 2; t++) first.optimizer.step(first.weights, gradient(t), settings);
    const second = new AdamW(3);
    second.copyFrom(first.optimizer);
    for (let t = 2; t < 4; t++) second.step(first.weights, gradient(t), settings);
    expect(first.weights).toEqual(whole.weights);
    expect(second).toEqual(whole.optimizer);
  });

  it('refuses arrays of different sizes', () => {
    expect(() => new AdamW(2).step(new Float32Array(2), new Float32Array(3), settings)).toThrow(
      '3 gradients',
    );
    const saved = { firstMoment: new Float32Array(1), secondMoment: new Float32Array(2), steps: 0 };
    expect(() => new AdamW(2, saved)).toThrow('not 2');
  });

  it('takes 0.7 million parameters in a few milliseconds', () => {
    const size = 708_736;
    const optimizer = new AdamW(size);
    const [weights, gradient] = [new Float32Array(size).fill(1), new Float32Array(size).fill(0.01)];
    const seconds = Array.from({ length: 8 }, () => {
      const begin = performance.now();
      optimizer.step(weights, gradient, settings);
      return (performance.now() - begin) / 1000;
    });
    // The budget is 5 ms on a free core; this bound catches a loop that lost its typed fast path on a busy one.
    expect(Math.min(...seconds)).toBeLessThan(0.08);
  });
});

describe('globalNorm', () => {
  it('is the root of the sum of squares, where float32 would overflow too', () => {
    expect(globalNorm(Float32Array.of(3, 4))).toBe(5);
    const huge = Math.fround(3e38);
    expect(globalNorm(Float32Array.of(huge, huge)) / (huge * Math.SQRT2)).toBeCloseTo(1, 12);
  });

  it('is finite exactly when every element is', () => {
    fc.assert(
      fc.property(fc.float32Array(), (gradient) => {
        expect(Number.isFinite(globalNorm(gradient))).toBe(gradient.every(Number.isFinite));
      }),
    );
  });
});

describe('clipScale', () => {
  it('brings a larger norm down to the limit and leaves a smaller one', () => {
    expect(clipScale(4, 1)).toBe(1 / 4);
    expect(clipScale(0.5, 1)).toBe(1);
    expect(clipScale(0, 1)).toBe(1);
    expect(clipScale(100, undefined)).toBe(1);
  });
});
