/** `backsight runs`, and what can be done with one: `pause`, `resume`, `stop` */
import type { CoordinatorServiceClient, Run } from '@backsight/contract/coordinator';
import type { Command } from 'commander';
import { table } from '../table.js';
import { printJson, type Context } from './context.js';
import { minuteOf } from './minute-of.js';
import { integer } from './options.js';
import { type CoordinatorFlags, coordinatorOption, withCoordinator } from './with-coordinator.js';

interface ListFlags extends CoordinatorFlags {
  readonly most: number;
  readonly json: boolean;
}

interface ChangeFlags extends CoordinatorFlags {
  readonly json: boolean;
}

/** `RUN_STATE_SUCCEEDED` as people say it. */
export const stateWord = (state: Run['state']): string => state.replace('RUN_STATE_', '').toLowerCase();

export function addRuns(program: Command, context: Context): void {
  coordinatorOption(program.command('runs'))
    .description('list runs, newest first')
    .option('--most <n>', 'how many to list', integer(1, 1000), 20)
    .option('--json', 'print the runs as JSON', false)
    .action(async (flags: ListFlags) => {
      const { runs } = await withCoordinator(flags, (client) =>
        client.listRuns({ pageSize: flags.most }, { signal: context.signal }),
      );
      if (flags.json) printJson(context, runs);
      else context.output.write(runs.length === 0 ? 'no runs yet\n' : `${listing(runs)}\n`);
    });
}

const listing = (runs: readonly Run[]): string =>
  table(
    ['run', 'state', 'steps', 'begun'],
    runs.map(({ runId, state, step, totalSteps, createdAtMs }) => [
      runId,
      stateWord(state),
      `${step}/${totalSteps}`,
      minuteOf(createdAtMs),
    ]),
  );

type Change = (
  client: CoordinatorServiceClient,
  runId: string,
) => Promise<{ readonly run?: Run | undefined }>;

const changes: readonly (readonly [command: string, description: string, change: Change])[] = [
  ['pause', 'pause a run after the step under way', (client, runId) => client.pauseRun({ runId })],
  ['resume', 'go on with a paused or failed run', (client, runId) => client.resumeRun({ runId })],
  ['stop', 'end a run for good; what it learned stays', (client, runId) => client.stopRun({ runId })],
];

export function addChanges(program: Command, context: Context): void {
  for (const [command, description, change] of changes) {
    coordinatorOption(program.command(`${command} <run>`))
      .description(description)
      .option('--json', 'print the run as JSON', false)
      .action(async (runId: string, flags: ChangeFlags) => {
        const { run } = await withCoordinator(flags, (client) => change(client, runId));
        if (run === undefined) throw new Error('The coordinator returned no run.');
        if (flags.json) printJson(context, run);
        else {
          const pausing = command === 'pause' && run.state === 'RUN_STATE_RUNNING';
          context.output.write(`run ${runId} ${pausing ? 'pauses after its step' : stateWord(run.state)}\n`);
        }
      });
  }
}
