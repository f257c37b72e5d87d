/** Figures: percentiles of durations, and how idle the machine was meanwhile. */
import { readFileSync } from 'node:fs';

/** What a phase of the bench came to. */
export interface Phase {
  readonly count: number;
  /** Milliseconds each, ascending. */
  readonly durations: readonly number[];
  readonly perSecond: number;
  /** Share of the machine's CPU time that nobody used, in [0, 1]. */
  readonly idleShare: number;
}

/** Keeps `width` pieces of work going for `ms`, after a tenth of that to warm up. */
export async function measure(
  width: number,
  ms: number,
  work: (index: number) => Promise<void>,
): Promise<Phase> {
  let index = 0;
  const keepGoing = async (until: number, durations: number[]): Promise<void> => {
    while (performance.now() < until) {
      const started = performance.now();
      await work(index++);
      durations.push(performance.now() - started);
    }
  };
  const together = (length: number, durations: number[]): Promise<unknown> => {
    const until = performance.now() + length;
    return Promise.all(Array.from({ length: width }, () => keepGoing(until, durations)));
  };
  await together(ms / 10, []);
  const durations: number[] = [];
  const clock = cpuClock();
  const started = performance.now();
  await together(ms, durations);
  const elapsed = performance.now() - started;
  return {
    count: durations.length,
    durations: durations.sort((one, other) => one - other),
    perSecond: (durations.length / elapsed) * 1000,
    idleShare: clock.idleShare(),
  };
}

/** The value below which a share of the values lies; they are ascending. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? NaN;
}

/** Looks at the machine's CPU time from now on. */
export function cpuClock(): { idleShare(): number } {
  const before = cpuTimes();
  return {
    idleShare: () => {
      const after = cpuTimes();
      return (after.idle - before.idle) / Math.max(1, after.all - before.all);
    },
  };
}

/** Ticks since boot, idle and waiting for disks, and all. */
function cpuTimes(): { readonly idle: number; readonly all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), all: ticks.reduce((sum, each) => sum + each, 0) };
}
