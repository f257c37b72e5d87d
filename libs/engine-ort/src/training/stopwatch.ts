import { performance } from 'node:perf_hooks';

/** Seconds spent in named phases, which do not overlap. */
export class Stopwatch {
  private readonly phases = new Map<string, number>();

  async measure<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    try {
      return await work();
    } finally {
      this.add(phase, begin);
    }
  }

  measureNow<T>(phase: string, work: () => T): T {
    const begin = performance.now();
    try {
      return work();
    } finally {
      this.add(phase, begin);
    }
  }

  /** Seconds by phase. */
  seconds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.phases);
  }

  private add(phase: string, begin: number): void {
    this.phases.set(phase, (this.phases.get(phase) ?? 0) + (performance.now() - begin) / 1000);
  }
}
