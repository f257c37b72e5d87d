/** Follows a run to its end or its pause, surviving a coordinator that restarts. */
import { type CoordinatorServiceClient, RunState } from '@backsight/contract/coordinator';
import { describeError, readFailure } from '@backsight/rpc';
import { setTimeout as sleep } from 'node:timers/promises';
import { advance, freshProgress, type RunProgress } from './progress/run-progress.js';

/** How long a coordinator that is away is waited for. */
const PATIENCE_MS = 60_000;

const ended: readonly RunState[] = [RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED];

/** Who is told while a run is followed. */
export interface Follower {
  /** After every event. */
  readonly onProgress: (progress: RunProgress) => void;
  /** When the coordinator went away, with what is waited for. */
  readonly onAway: (words: string) => void;
}

/** Returns the last progress. */
export async function followRun(
  client: CoordinatorServiceClient,
  run: { readonly runId: string; readonly totalSteps: number },
  { onProgress, onAway }: Follower,
  signal: AbortSignal,
): Promise<RunProgress> {
  let progress = freshProgress(run.totalSteps);
  let seen = 0;
  let awaySinceMs: number | undefined;
  for (;;) {
    try {
      for await (const { event } of client.watchRun({ runId: run.runId, afterSequence: seen }, { signal })) {
        awaySinceMs = undefined;
        if (event === undefined) continue;
        seen = Math.max(seen, event.sequence);
        progress = advance(progress, event);
        onProgress(progress);
        // The stream waits for the run to be resumed; a pause in the replay may long be over.
        if (progress.state === RunState.PAUSED && (await isPaused(client, run.runId, signal)))
          return progress;
      }
      if (ended.includes(progress.state)) return progress;
    } catch (error) {
      const code = readFailure(error)?.code;
      if (code === 'DEADLINE_EXCEEDED') continue;
      if (code !== 'UNAVAILABLE') throw error;
      if (awaySinceMs === undefined) {
        awaySinceMs = Date.now();
        onAway(`${describeError(error)}; waiting for it for ${PATIENCE_MS / 1000} s`);
      }
      if (Date.now() - awaySinceMs > PATIENCE_MS) throw error;
    }
    await sleep(500, undefined, { signal });
  }
}

async function isPaused(
  client: CoordinatorServiceClient,
  runId: string,
  signal: AbortSignal,
): Promise<boolean> {
  return (await client.getRun({ runId }, { signal })).run?.state === RunState.PAUSED;
}
