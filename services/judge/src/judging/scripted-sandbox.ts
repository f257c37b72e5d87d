/** A sandbox whose endings are written beforehand, for tests of what stands above it. */
import { IsolationTier } from '@backsight/contract/judge';
import type { RunEnding, Sandbox, SandboxEvent, SandboxJob } from '../sandbox/sandbox.js';

/** Plays a job. */
export type Script = (job: SandboxJob, signal: AbortSignal) => AsyncIterable<SandboxEvent>;

/** A run that ended by itself and wrote nothing. */
export const quietEnding: RunEnding = {
  exitCode: 0,
  signal: undefined,
  limit: undefined,
  cpuMs: 1,
  wallMs: 1,
  peakMemoryBytes: 1 << 20,
  stdout: Buffer.alloc(0),
  stderr: Buffer.alloc(0),
  report: Buffer.alloc(0),
};

/** The sandbox; `jobs` are those it was given, `running` how many it plays. */
export function scriptedSandbox(
  script: Script,
  capacity = 1,
): Sandbox & { readonly jobs: readonly SandboxJob[]; running(): number } {
  const jobs: SandboxJob[] = [];
  let running = 0;
  return {
    name: 'scripted',
    tier: IsolationTier.NONE,
    languages: [{ name: 'python', version: '3', runs: ['stdio', 'call', 'check'] }],
    capacity,
    jobs,
    running: () => running,
    async *execute(job, signal) {
      jobs.push(job);
      running += 1;
      try {
        yield* script(job, signal);
      } finally {
        running -= 1;
      }
    },
    close: () => Promise.resolve(),
  };
}

/** Every run prints these bytes and exits. */
export async function* printing(
  text: string,
  { runs }: SandboxJob,
  exitCode = 0,
): AsyncGenerator<SandboxEvent, void, void> {
  yield await Promise.resolve({ kind: 'compiled' as const });
  for (const run of runs.keys())
    yield { kind: 'ran', run, ending: { ...quietEnding, exitCode, stdout: Buffer.from(text) } };
}
