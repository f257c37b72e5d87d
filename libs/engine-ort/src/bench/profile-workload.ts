import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readProfiles, type SessionProfile } from './profile.js';
import type { Side } from './side.js';

/** Where the engine's time goes in one workload. */
export interface WorkloadProfile {
  readonly workload: string;
  /** Of the workload; the first one loads the sessions. */
  readonly runs: number;
  /** Of all runs, by the clock: within sessions, and outside of them. */
  readonly seconds: number;
  readonly sessions: readonly SessionProfile[];
}

/** Runs a workload so many times on an engine that leaves profiles in the folder it is started with, and reads them. */
export async function profileWorkload(
  workload: string,
  runs: number,
  start: (profileFolder: string) => Promise<Side>,
): Promise<WorkloadProfile> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-engine-profile-'));
  try {
    const side = await start(folder);
    let seconds = 0;
    try {
      for (let run = 0; run < runs; run++) seconds += (await side.run()).seconds;
    } finally {
      await side.stop();
    }
    return { workload, runs, seconds, sessions: await readProfiles(folder) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The profile as lines: the runs of each kind of session, and what a run spends on each kind of node. */
export function profileLines({ workload, runs, seconds, sessions }: WorkloadProfile): readonly string[] {
  const within = sessions.reduce((sum, session) => sum + session.seconds, 0);
  return [
    `${workload}: ${runs} x ${(seconds / runs).toFixed(2)} s, outside of sessions ${((seconds - within) / runs).toFixed(2)} s`,
    ...sessions.flatMap((session) => [
      `  ${session.kind}: ${session.runs} x ${milliseconds(session.seconds / session.runs)}`,
      ...session.parts.map(({ name, seconds: part, flops }) =>
        [
          `    ${name.padEnd(partWidth)}`,
          milliseconds(part / session.runs).padStart(12),
          `${((100 * part) / session.seconds).toFixed(0)} %`.padStart(6),
          flops === 0 ? '' : `  ${(flops / part / 1e9).toFixed(0)} GFLOP/s`,
        ].join(''),
      ),
    ]),
  ];
}

function milliseconds(seconds: number): string {
  return `${(seconds * 1000).toFixed(2)} ms`;
}

const partWidth = 30;
