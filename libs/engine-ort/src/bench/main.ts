/** `npm run bench:engine -- [--quick] [--json] [--threads 2] [--repetitions 3] [--only generate,score,train]`. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bench, type BenchResult } from './bench.js';
import { pythonEnvironment } from './python-environment.js';
import { workloadNames } from './workload.js';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
    repetitions: { type: 'string', default: '3' },
    only: { type: 'string', default: workloadNames.join(',') },
  },
});
const only = values.only.split(',');
const wrong = only.find((name) => !workloadNames.some((known) => known === name));
if (wrong !== undefined) throw new Error(`--only takes ${workloadNames.join(', ')}, not "${wrong}".`);
const room = join(import.meta.dirname, '..', '..');
const progress = (line: string) => process.stderr.write(`${line}\n`);
const python = await pythonEnvironment(join(room, 'bench'), progress);
const results = await bench({
  quick: values.quick,
  threads: positive('--threads', values.threads),
  repetitions: positive('--repetitions', values.repetitions),
  workloads: workloadNames.filter((name) => only.includes(name)),
  folder: join(room, '..', '..', 'runs', 'bench-engine'),
  python,
  torchSide: join(room, 'bench', 'torch_side.py'),
  print: progress,
});
process.stdout.write(values.json ? `${JSON.stringify(results, undefined, 2)}\n` : table(results));

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

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${option} takes a positive whole number, not "${text}".`);
}
