/** `backsight curves`: how a figure of runs went, on a terminal or as a picture */
import { writeFile } from 'node:fs/promises';
import { type CoordinatorServiceClient, type RunEvent, RunState } from '@backsight/contract/coordinator';
import type { Command } from 'commander';
import { drawChart } from '../curves/chart.js';
import { curvesSvg } from '../curves/curves-svg.js';
import { curvesOf, type ReadRun, readingsOf } from '../curves/readings.js';
import { UserError } from '../user-error.js';
import { printJson, type Context } from './context.js';
import { integer } from './options.js';
import { type CoordinatorFlags, coordinatorOption, withCoordinator } from './with-coordinator.js';

interface CurvesFlags extends CoordinatorFlags {
  readonly figure: string;
  readonly every: number;
  readonly title?: string;
  readonly svg?: string;
  readonly json: boolean;
}

export function addCurves(program: Command, context: Context): void {
  coordinatorOption(program.command('curves <run...>'))
    .description(
      'draw how a figure of runs went; runs of one recipe are averaged, with their standard deviation',
    )
    .option('--figure <name>', 'a step’s figure, or <split>/pass_rate of evaluations', 'critic/rewards/mean')
    .option('--every <n>', 'make a point of so many readings', integer(1, 1_000_000), 1)
    .option('--title <text>', 'over the picture; else the figure')
    .option('--svg <file>', 'write a picture in place of drawing on the terminal')
    .option('--json', 'print the curves as JSON', false)
    .action(async (runIds: readonly string[], flags: CurvesFlags) => {
      const runs = await withCoordinator(flags, (client) =>
        Promise.all(runIds.map((runId) => readRun(client, runId, context.signal))),
      );
      const { figure, every, title = figure, svg } = flags;
      requireFigure(runs, figure);
      const curves = curvesOf(runs, figure, every);
      if (svg !== undefined) await writePicture(svg, curvesSvg(title, 'rollouts', figure, curves));
      if (flags.json) printJson(context, curves);
      else if (svg === undefined) context.output.write(`${drawChart(title, 'rollouts', curves)}\n`);
      else context.output.write(`${svg}\n`);
    });
}

/** What there is of a run by now. */
async function readRun(
  client: CoordinatorServiceClient,
  runId: string,
  signal: AbortSignal,
): Promise<ReadRun> {
  const { run } = await client.getRun({ runId }, { signal });
  if (run === undefined) throw new Error('The coordinator returned no run.');
  const events: RunEvent[] = [];
  const leave = new AbortController();
  // The events of a run that has not ended go on.
  const isLast = (event: RunEvent): boolean => !ended.has(run.state) && stepOf(event) === run.step;
  if (!ended.has(run.state) && run.step === 0) return { name: run.name, readings: new Map() };
  const stream = client.watchRun({ runId }, { signal: AbortSignal.any([signal, leave.signal]) });
  for await (const { event } of stream) {
    if (event === undefined) continue;
    events.push(event);
    if (isLast(event)) break;
  }
  leave.abort();
  return { name: run.name, readings: readingsOf(events) };
}

const ended: ReadonlySet<RunState> = new Set([RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED]);

const stepOf = ({ kind }: RunEvent): number | undefined =>
  kind?.$case === 'stepFinished' ? kind.value.step : undefined;

function requireFigure(runs: readonly ReadRun[], figure: string): void {
  const known = new Set(runs.flatMap(({ readings }) => [...readings.keys()]));
  if (known.has(figure)) return;
  if (known.size === 0) throw new UserError('No step of these runs has ended yet: there is nothing to draw.');
  throw new UserError(
    `No figure of these runs is called ${figure}. They have ${[...known].sort().join(', ')}.`,
  );
}

async function writePicture(file: string, picture: string): Promise<void> {
  await writeFile(file, picture).catch((error: unknown) => {
    throw new UserError(
      `The picture cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
}
