/** Learning curves as text, for a terminal. Pure. */
import { axisLabel, type Curve, type Point, rangeOf } from './curve.js';

const WIDTH = 60;
const HEIGHT = 12;

/** Curves on one grid, with axes and a legend. */
export function drawChart(title: string, xLabel: string, curves: readonly Curve[]): string {
  const largest = Math.max(1, ...curves.flatMap((curve) => curve.points.map((point) => point.x)));
  const { low, high } = rangeOf(curves);
  const grid = Array.from({ length: HEIGHT + 1 }, () => Array.from({ length: WIDTH + 1 }, () => ' '));
  for (const { mark, points } of curves) {
    for (let column = 0; column <= WIDTH; column++) {
      const y = interpolate(points, (column / WIDTH) * largest);
      const row =
        y === undefined ? undefined : grid[HEIGHT - Math.round(((y - low) / (high - low)) * HEIGHT)];
      if (row !== undefined) row[column] = mark;
    }
  }
  const rows = grid.map((row, index) => {
    const label = index % 3 === 0 ? axisLabel(high - (index / HEIGHT) * (high - low)) : '';
    return `${label.padStart(5)} ┤${row.join('').trimEnd()}`;
  });
  const axis = `${' '.repeat(6)}└${'─'.repeat(WIDTH + 1)}`;
  const ends = `${' '.repeat(7)}0${xLabel.padStart(Math.floor(WIDTH / 2) + Math.floor(xLabel.length / 2))}`;
  const legend = curves.map((curve) => `${curve.mark} ${curve.name}`).join('   ');
  return [
    `${title}   ${legend}`,
    ...rows,
    axis,
    `${ends}${String(largest).padStart(WIDTH + 8 - ends.length)}`,
  ].join('\n');
}

function interpolate(points: readonly Point[], x: number): number | undefined {
  const after = points.findIndex((point) => point.x >= x);
  const right = points[after];
  if (right === undefined) return undefined;
  const left = points[after - 1] ?? right;
  if (right.x === left.x) return right.y;
  return left.y + ((x - left.x) / (right.x - left.x)) * (right.y - left.y);
}
