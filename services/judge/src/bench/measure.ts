/** Figures: percentiles of durations, and how idle the machine was meanwhile. */
import { readFileSync } from 'node:fs';
import { descendants } from '../sandbox/leftovers.js';

/** What a phase of the bench came to. */
export interface Phase {
  readonly count: number;
  /** Milliseconds each, ascending. */
  readonly durations: readonly number[];
  readonly perSecond: number;
  /** CPU time of this process and all below it, per piece of work, in milliseconds: hardly moved by what else runs. */
  readonly cpuMs: number;
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
  const used = ownCpuMs();
  const started = performance.now();
  await together(ms, durations);
  const elapsed = performance.now() - started;
  return {
    count: durations.length,
    durations: durations.sort((one, other) => one - other),
    perSecond: (durations.length / elapsed) * 1000,
    cpuMs: (ownCpuMs() - used) / durations.length,
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

/** CPU time of this process, its descendants and those of them that have ended, in milliseconds. */
function ownCpuMs(): number {
  return [process.pid, ...descendants(process.pid)].reduce((sum, pid) => sum + cpuMsOf(pid), 0);
}

/** utime, stime, cutime and cstime of proc(5) stat, in ticks of 10 ms: fields 14 to 17, counted after the name. */
function cpuMsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + 10 * Number(ticks), 0);
  } catch {
    return 0; // it has ended, and counts for its parent
  }
}

/** Ticks since boot, idle and waiting for disks, and all. */
function cpuTimes(): { readonly idle: number; readonly all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), all: ticks.reduce((sum, each) => sum + each, 0) };
}
