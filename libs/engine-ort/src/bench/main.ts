/** `npm run bench:engine`: the engine beside PyTorch in one run. */
import { join } from 'node:path';
import { largePages } from '@backsight/engine';
import { Command, InvalidArgumentError, Option } from 'commander';
import { bench, profile, type BenchResult } from './bench.js';
import { profileLines } from './profile-workload.js';
import { pythonEnvironment } from './python-environment.js';
import { wholeNumber } from './whole-number.js';
import { workloadNames } from './workload.js';

interface Flags {
  readonly quick: boolean;
  readonly json: boolean;
  readonly threads: number;
  readonly repetitions: number;
  readonly only: typeof workloadNames;
  readonly engineOnly: boolean;
  readonly profile: boolean;
  readonly largePages: (typeof pagedSides)[number];
}

const pagedSides = ['engine', 'both', 'neither'] as const;

const flags = new Command('bench:engine')
  .description(
    'Times the engine and PyTorch on the same weights and tokens; makes its own Python environment.',
  )
  .option('--quick', 'one group of completions in each workload', false)
  .option('--threads <n>', 'threads of either side', wholeNumber, 2)
  .option('--repetitions <n>', 'times that each workload is run by either side', wholeNumber, 3)
  .option('--only <names>', `some of ${workloadNames.join(',')}`, someWorkloads, workloadNames)
  .option('--engine-only', 'without PyTorch', false)
  .option('--profile', "where the engine's time goes, by kind of operator; without PyTorch", false)
  .addOption(
    new Option(
      '--large-pages <side>',
      'whose memory is in pages of 2 MiB; a policy that `backsight` starts has them',
    )
      .choices(pagedSides)
      .default('engine'),
  )
  .option('--json', 'print the results as JSON', false)
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();
const room = join(import.meta.dirname, '..', '..');
const progress = (line: string) => process.stderr.write(`${line}\n`);
const options = {
  quick: flags.quick,
  threads: flags.threads,
  repetitions: flags.repetitions,
  workloads: flags.only,
  folder: join(room, '..', '..', 'runs', 'bench-engine'),
  environments: {
    engine: flags.largePages === 'neither' ? process.env : { ...largePages, ...process.env },
    torch: flags.largePages === 'both' ? { ...largePages, ...process.env } : process.env,
  },
  print: progress,
};
const asJson = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;
try {
  process.stdout.write(await report());
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function report(): Promise<string> {
  if (flags.profile) {
    const profiles = await profile(options);
    return flags.json ? asJson(profiles) : profiles.flatMap((one) => [...profileLines(one), '']).join('\n');
  }
  const results = await bench({ ...options, ...(flags.engineOnly ? {} : { torch: await torchSide() }) });
  return flags.json ? asJson(results) : table(results);
}

async function torchSide() {
  const folder = join(room, 'bench');
  return { python: await pythonEnvironment(folder, progress), program: join(folder, 'torch_side.py') };
}

function table(rows: readonly BenchResult[]): string {
  const compared = ['PyTorch', 'speedup', 'of CPU time', 'goal', 'memory', 'goal'];
  const header = ['', 'engine', ...(rows.some(({ comparison }) => comparison !== undefined) ? compared : [])];
  const lines = rows.map(({ workload, engine, comparison, goals }) => [
    workload,
    side(engine),
    ...(comparison === undefined
      ? []
      : [
          side(comparison.torch),
          `${comparison.speedup.toFixed(2)}x`,
          `${comparison.cpuSpeedup.toFixed(2)}x`,
          `${goals.speedup.toFixed(1)}x`,
          `${comparison.memory.toFixed(2)}x`,
          `${goals.memory.toFixed(1)}x`,
        ]),
  ]);
  const widths = header.map((title, i) =>
    Math.max(title.length, ...lines.map((line) => line[i]?.length ?? 0)),
  );
  const text = [header, ...lines].map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${text.join('\n')}\n`;
}

function side({ seconds, tokensPerSecond, peakBytes }: BenchResult['engine']): string {
  return `${seconds.toFixed(2)} s, ${tokensPerSecond.toFixed(0)} tokens/s, ${(peakBytes / 1e9).toFixed(2)} GB`;
}

function someWorkloads(text: string): Flags['only'] {
  const names = text.split(',');
  const wrong = names.find((name) => !workloadNames.some((known) => known === name));
  if (wrong !== undefined) throw new InvalidArgumentError(`There is no workload "${wrong}".`);
  return workloadNames.filter((name) => names.includes(name));
}
