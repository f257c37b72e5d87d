import { describe, expect, it } from '@jest/globals';
import { measure, quantile } from './measure.js';

describe('quantile', () => {
  it('is the value below which a share of the values lies', () => {
    const values = Array.from({ length: 100 }, (_, index) => index);
    expect([0, 0.5, 0.95, 1].map((share) => quantile(values, share))).toEqual([0, 50, 95, 99]);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('measure', () => {
  it('keeps so many pieces of work going, and counts those after the warm-up', async () => {
    let running = 0;
    let most = 0;
    const phase = await measure(3, 200, async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 10));
      running -= 1;
    });
    expect([running, most]).toEqual([0, 3]);
    // 3 at a time, 10 ms each, for 200 ms: 60 at most, and timers are late rather than early.
    expect(phase.count).toBeLessThanOrEqual(66);
    expect(phase.count).toBeGreaterThan(5);
    expect(phase.perSecond).toBeCloseTo(
      (phase.count / phase.durations.reduce((sum, each) => sum + each, 0)) * 3000,
      -2,
    );
    expect(quantile(phase.durations, 0)).toBeGreaterThan(8);
    expect(phase.cpuMs).toBeGreaterThanOrEqual(0);
    expect(phase.cpuMs).toBeLessThan(30);
    expect(phase.idleShare).toBeGreaterThanOrEqual(0);
    expect(phase.idleShare).toBeLessThanOrEqual(1);
  });
});
