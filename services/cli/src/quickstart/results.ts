/** What a quickstart found: curves over seeds, the table and the closing line. Pure. */
import type { Evaluation } from '../progress/run-progress.js';
import { table } from '../table.js';
import { type Curve, meanCurve, meanSpread, type MeanSpread } from '../curves/curve.js';

export type Method = 'SDPO' | 'GRPO';

/** One run of one method on one seed. */
export interface RunResult {
  readonly method: Method;
  readonly seed: number;
  readonly runId: string;
  readonly rollouts: number;
  readonly seconds: number;
  /** Evaluations of the held-out split, from before training to the end. */
  readonly heldOut: readonly Evaluation[];
}

export interface MethodSummary {
  readonly method: Method;
  readonly before: MeanSpread;
  readonly after: MeanSpread;
  readonly gain: MeanSpread;
  /** Rollouts per seed. */
  readonly rollouts: number;
  /** Mean seconds per seed. */
  readonly seconds: number;
}

export function summarise(method: Method, results: readonly RunResult[]): MethodSummary {
  const mine = results.filter((result) => result.method === method);
  const first = mine.map((result) => result.heldOut[0]?.passRate ?? Number.NaN);
  const last = mine.map((result) => result.heldOut.at(-1)?.passRate ?? Number.NaN);
  return {
    method,
    before: meanSpread(first),
    after: meanSpread(last),
    gain: meanSpread(last.map((value, index) => value - (first[index] ?? Number.NaN))),
    rollouts: mine[0]?.rollouts ?? 0,
    seconds: meanSpread(mine.map((result) => result.seconds)).mean,
  };
}

/** The mean held-out curve of a method; the spread is that over seeds. */
export function curveOf(method: Method, mark: string, results: readonly RunResult[]): Curve {
  const mine = results.filter((result) => result.method === method);
  const runs = mine.map(({ heldOut }) =>
    heldOut.map(({ rollouts, passRate }) => ({ x: rollouts, y: passRate })),
  );
  return meanCurve(method, mark, runs);
}

export function resultTable(summaries: readonly MethodSummary[], seeds: number): string {
  const header = ['', 'held-out before', 'after', 'gain', 'rollouts', 'seconds'];
  const rows = summaries.map((summary) => [
    summary.method,
    text(summary.before, seeds),
    text(summary.after, seeds),
    text(summary.gain, seeds),
    String(summary.rollouts),
    summary.seconds.toFixed(0),
  ]);
  return table(header, rows);
}

/** `quickstart: held-out pass@1 SDPO a -> b, GRPO a -> c, rollouts N, S s` */
export function closingLine(summaries: readonly MethodSummary[], seeds: number, seconds: number): string {
  const arrows = summaries.map(
    (summary) => `${summary.method} ${text(summary.before, seeds)} -> ${text(summary.after, seeds)}`,
  );
  const rollouts = summaries[0]?.rollouts ?? 0;
  return `quickstart: held-out pass@1 ${arrows.join(', ')}, rollouts ${rollouts}, ${seconds.toFixed(0)} s`;
}

const text = ({ mean, spread }: MeanSpread, seeds: number): string =>
  seeds > 1 ? `${mean.toFixed(2)}±${spread.toFixed(2)}` : mean.toFixed(2);
