/** A learning curve, and the mean of several. Pure. */

export interface Curve {
  readonly name: string;
  /** One character that draws the curve on a terminal. */
  readonly mark: string;
  /** x: rollouts, ascending. */
  readonly points: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Half the height of the error bar; 0 draws none. */
  readonly spread: number;
}

/** A mean with its sample standard deviation; the deviation of one value is 0. */
export interface MeanSpread {
  readonly mean: number;
  readonly spread: number;
}

export function meanSpread(values: readonly number[]): MeanSpread {
  if (values.length === 0) return { mean: Number.NaN, spread: Number.NaN };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { mean, spread: 0 };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, spread: Math.sqrt(squares / (values.length - 1)) };
}

/** What one run shows: values by rollouts. */
export type Series = readonly { readonly x: number; readonly y: number }[];

/** At every x the mean of the runs that have a value there; the spread is that over runs. */
export function meanCurve(name: string, mark: string, runs: readonly Series[]): Curve {
  const values = new Map<number, number[]>();
  for (const { x, y } of runs.flat()) values.set(x, [...(values.get(x) ?? []), y]);
  const points = [...values]
    .sort(([a], [b]) => a - b)
    .map(([x, ys]) => {
      const { mean, spread } = meanSpread(ys);
      return { x, y: mean, spread };
    });
  return { name, mark, points };
}

/** What an axis shows: 0 to 1 for what lies there, else whole steps of 1, 2 or 5 around all points and bars. */
export function rangeOf(curves: readonly Curve[]): { readonly low: number; readonly high: number } {
  const points = curves.flatMap((curve) => curve.points);
  if (points.every(({ y }) => y >= 0 && y <= 1)) return { low: 0, high: 1 };
  const least = Math.min(...points.map(({ y, spread }) => y - spread));
  const most = Math.max(...points.map(({ y, spread }) => y + spread));
  const size = 10 ** Math.floor(Math.log10(Math.max(most - least, 1e-9)));
  const step = size * ([0.1, 0.2, 0.5, 1].find((each) => (most - least) / (each * size) <= 8) ?? 2);
  return { low: Math.floor(least / step) * step, high: Math.ceil(most / step) * step };
}

/** A value beside an axis. */
export const axisLabel = (value: number): string =>
  Math.abs(value) <= 1 ? value.toFixed(2) : String(Number(value.toPrecision(3)));
