/** What programs may use by default, and at most. */
import type { RunLimits } from '../sandbox/sandbox.js';

/** Where a submission says nothing. Its wall time follows from its CPU time. */
export const defaultLimits: RunLimits = {
  cpuMs: 2_000,
  wallMs: wallFor(2_000),
  memoryBytes: 256 << 20,
  outputBytes: 4 << 20,
  processes: 32,
};

/** Beyond these a submission is refused. */
export const maxLimits: RunLimits = {
  cpuMs: 60_000,
  wallMs: wallFor(60_000),
  memoryBytes: 4096 * (1 << 20),
  outputBytes: 64 << 20,
  processes: 256,
};

/** The smallest that a program can start under. */
export const minLimits: RunLimits = {
  cpuMs: 10,
  wallMs: 10,
  memoryBytes: 16 << 20,
  outputBytes: 1,
  processes: 1,
};

/** The wall time that goes with a CPU time: ample, so that a busy machine does not make a right answer late. */
export function wallFor(cpuMs: number): number {
  return 3 * cpuMs + 2_000;
}

/** The limits of a submission that says some of them. */
export function completeLimits(asked: Partial<RunLimits>): RunLimits {
  const cpuMs = asked.cpuMs ?? defaultLimits.cpuMs;
  return { ...defaultLimits, wallMs: wallFor(cpuMs), ...asked };
}

/** A limit out of range. */
export interface LimitProblem {
  readonly limit: keyof RunLimits;
  readonly problem: string;
}

/** What is wrong with limits, one problem per limit. */
export function limitProblems(limits: RunLimits): readonly LimitProblem[] {
  const names = ['cpuMs', 'wallMs', 'memoryBytes', 'outputBytes', 'processes'] as const;
  return names
    .filter((name) => !(limits[name] >= minLimits[name] && limits[name] <= maxLimits[name]))
    .map((name) => ({
      limit: name,
      problem: `must be in [${minLimits[name]}, ${maxLimits[name]}], is ${limits[name]}`,
    }));
}
