import { describe, expect, it } from '@jest/globals';
import { drawChart } from './chart.js';
import type { Curve } from './curve.js';
import { curvesSvg } from './curves-svg.js';

const rising: Curve = {
  name: 'SDPO',
  mark: '#',
  points: [
    { x: 0, y: 0, spread: 0 },
    { x: 100, y: 1, spread: 0.1 },
  ],
};
const flat: Curve = {
  name: 'a < b & "c"',
  mark: '.',
  points: [
    { x: 0, y: 0, spread: 0 },
    { x: 50, y: 0, spread: 0 },
  ],
};

describe('drawChart', () => {
  it('puts 1 on the top row and 0 on the bottom row', () => {
    const rows = drawChart('pass@1', 'rollouts', [rising]).split('\n').slice(1, 14);
    expect(rows[0]).toMatch(/^ 1\.00 ┤ *#+$/);
    expect(rows[12]).toMatch(/^ 0\.00 ┤#+$/);
  });

  it('ends a curve where its points end', () => {
    const bottom = drawChart('pass@1', 'rollouts', [rising, flat]).split('\n')[13] ?? '';
    expect(bottom.length).toBeLessThan(7 + 35);
  });
});

describe('curvesSvg', () => {
  it('draws every point inside the picture and escapes names', () => {
    const svg = curvesSvg('t', 'rollouts', 'pass@1', [rising, flat]);
    const heights = [...svg.matchAll(/cy="([\d.]+)"/g)].map((match) => Number(match[1]));
    expect(heights).toHaveLength(4);
    expect(Math.min(...heights)).toBeGreaterThan(0);
    expect(Math.max(...heights)).toBeLessThan(420);
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
  });

  it('says what the error bars are where there are any', () => {
    expect(curvesSvg('t', 'rollouts', 'pass@1', [rising])).toContain('mean ± sd over seeds');
    expect(curvesSvg('t', 'rollouts', 'pass@1', [flat])).not.toContain('sd over seeds');
  });
});
