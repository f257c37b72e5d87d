/** `npm run bench:engine`: the engine beside PyTorch in one run. */
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { bench, type BenchResult } from './bench.js';
import { pythonEnvironment } from './python-environment.js';
import { wholeNumber } from './whole-number.js';
import { workloadNames } from './workload.js';

interface Flags {
  readonly quick: boolean;
  readonly json: boolean;
  readonly threads: number;
  readonly repetitions: number;
  readonly only: typeof workloadNames;
}

const { quick, json, threads, repetitions, only } = new Command('bench:engine')
  .description(
    'Times the engine and PyTorch on the same weights and tokens; makes its own Python environment.',
  )
  .option('--quick', 'one group of completions in each workload', false)
  .option('--threads <n>', 'threads of either side', wholeNumber, 2)
  .option('--repetitions <n>', 'times that each workload is run by either side', wholeNumber, 3)
  .option('--only <names>', `some of ${workloadNames.join(',')}`, someWorkloads, workloadNames)
  .option('--json', 'print the results as JSON', false)
  .showHelpAfterError('(add -- --help for the options)')
  .parse()
  .opts<Flags>();
const room = join(import.meta.dirname, '..', '..');
const progress = (line: string) => process.stderr.write(`${line}\n`);
const python = await pythonEnvironment(join(room, 'bench'), progress);
const results = await bench({
  quick,
  threads,
  repetitions,
  workloads: only,
  folder: join(room, '..', '..', 'runs', 'bench-engine'),
  python,
  torchSide: join(room, 'bench', 'torch_side.py'),
  print: progress,
});
process.stdout.write(json ? `${JSON.stringify(results, undefined, 2)}\n` : table(results));

function table(rows: readonly BenchResult[]): string {
  const header = ['', 'engine', 'PyTorch', 'speedup', 'of CPU time', 'goal', 'memory', 'goal'];
  const lines = rows.map(({ workload, engine, torch, speedup, cpuSpeedup, memory, goals }) => [
    workload,
    side(engine),
    side(torch),
    `${speedup.toFixed(2)}x`,
    `${cpuSpeedup.toFixed(2)}x`,
    `${goals.speedup.toFixed(1)}x`,
    `${memory.toFixed(2)}x`,
    `${goals.memory.toFixed(1)}x`,
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
