/** What the events of a run say of its figures. Pure. */
import type { RunEvent } from '@backsight/contract/coordinator';
import { type Curve, meanCurve, type Series } from './curve.js';

/** Series by the names of figures: those of steps as they are named, those of evaluations as `<split>/pass_rate` and so on. */
export type Readings = ReadonlyMap<string, Series>;

/** A step that was taken again, since its room was away, counts as it was taken last. */
export function readingsOf(events: readonly RunEvent[]): Readings {
  const found = new Map<string, Map<number, number>>();
  const read = (rollouts: number, figures: Readonly<Record<string, number>>): void => {
    for (const [name, value] of Object.entries(figures)) {
      const series = found.get(name) ?? new Map<number, number>();
      found.set(name, series.set(rollouts, value));
    }
  };
  for (const { kind } of events) {
    if (kind?.$case === 'stepFinished') read(kind.value.rollouts, kind.value.metrics);
    if (kind?.$case === 'evaluated') {
      const { split, passRate, reward, rollouts, figures } = kind.value;
      const named = { pass_rate: passRate, reward, ...figures };
      read(
        rollouts,
        Object.fromEntries(Object.entries(named).map(([name, value]) => [`${split}/${name}`, value])),
      );
    }
  }
  return new Map([...found].map(([name, series]) => [name, [...series].map(([x, y]) => ({ x, y }))]));
}

/** A run as curves see it. */
export interface ReadRun {
  /** Runs of one name are of one curve: seeds of the same recipe. */
  readonly name: string;
  readonly readings: Readings;
}

/** One curve for each name, the mean over its runs; a point is the mean of so many readings, at the last one's rollouts. */
export function curvesOf(runs: readonly ReadRun[], figure: string, every: number): readonly Curve[] {
  const names = [...new Set(runs.map(({ name }) => name))];
  return names.map((name, index) => {
    const mine = runs.filter((run) => run.name === name);
    const mark = MARKS[index % MARKS.length] ?? '#';
    return meanCurve(
      name,
      mark,
      mine.map(({ readings }) => thinned(readings.get(figure) ?? [], every)),
    );
  });
}

const MARKS = ['#', '.', '+', 'o', 'x', '*'];

function thinned(series: Series, every: number): Series {
  return Array.from({ length: Math.ceil(series.length / every) }, (_, index) => {
    const part = series.slice(index * every, (index + 1) * every);
    return { x: part.at(-1)?.x ?? 0, y: part.reduce((sum, { y }) => sum + y, 0) / part.length };
  });
}
