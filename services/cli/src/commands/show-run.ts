/** Shows a run going forward until it ends, then how it ended. */
import type { CoordinatorServiceClient, Run } from '@backsight/contract/coordinator';
import type { RunProgress } from '../progress/run-progress.js';
import { summaryLine, summaryOf } from '../progress/tally.js';
import { UserError } from '../user-error.js';
import { followRun } from '../watch-run.js';
import { printJson, screenFor, type Context } from './context.js';
import { stateWord } from './runs.js';

/** Throws a UserError when the run fails, or when the person stops watching. */
export async function showRun(
  client: CoordinatorServiceClient,
  run: Run,
  json: boolean,
  context: Context,
): Promise<void> {
  const screen = screenFor(context, json);
  let progress: RunProgress;
  try {
    progress = await followRun(
      client,
      run,
      {
        onProgress: (now) => {
          screen.show(run.name, now);
        },
        onAway: (words) => {
          screen.say(words);
        },
      },
      context.signal,
    );
  } catch (error) {
    if (!context.signal.aborted) throw error;
    const { runId } = run;
    throw new UserError(
      `No longer watching. The run goes on: backsight watch ${runId}, backsight stop ${runId}.`,
      130,
    );
  } finally {
    screen.close();
  }
  const summary = summaryOf(progress.tally);
  if (json) printJson(context, { ...(await client.getRun({ runId: run.runId })).run, summary });
  else for (const warning of new Set(progress.warnings)) context.output.write(`note: ${warning}\n`);
  if (progress.state === 'RUN_STATE_FAILED')
    throw new UserError(
      `The run failed ${progress.step === 0 ? 'before its first step was finished' : `after step ${progress.step}`}: ${progress.failure}\nOnce that is mended, backsight resume ${run.runId} goes on with it.`,
    );
  const line = summaryLine(summary);
  if (!json && line !== undefined) context.output.write(`${line}\n`);
  if (!json)
    context.output.write(
      `run ${run.runId} ${stateWord(progress.state)} after ${progress.step} of ${progress.totalSteps} steps\n`,
    );
}
