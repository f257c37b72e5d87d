import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomWeights, writeModelFolder } from '@backsight/engine';
import { Side, type Sample } from './side.js';
import {
  benchModel,
  makeWorkload,
  tokensOf,
  weightFlops,
  workloadSizes,
  type Workload,
  type WorkloadName,
} from './workload.js';

/** How the bench is run. */
export interface BenchOptions {
  readonly quick: boolean;
  readonly threads: number;
  /** Timed runs of each side, after one that is not timed. */
  readonly repetitions: number;
  readonly workloads: readonly WorkloadName[];
  /** Where the model and the tokens are written, and found again. */
  readonly folder: string;
  /** Python with PyTorch and transformers, and the program that it runs. */
  readonly python: string;
  readonly torchSide: string;
  readonly print: (line: string) => void;
}

/** One side of one workload. */
export interface Figures {
  /** Median over the repetitions. */
  readonly seconds: number;
  /** Median of the seconds of all threads together. */
  readonly cpuSeconds: number;
  readonly tokensPerSecond: number;
  /** By the operations of the plain algorithm: what is shared or left out counts as done. */
  readonly gigaflopsPerSecond: number;
  readonly peakBytes: number;
}

/** Both sides of one workload. */
export interface BenchResult {
  readonly workload: WorkloadName;
  readonly tokens: number;
  readonly engine: Figures;
  readonly torch: Figures;
  /** Median over the repetitions of PyTorch's seconds by the engine's, run one right after the other. */
  readonly speedup: number;
  /** The same of CPU seconds, for a machine that others use, too. */
  readonly cpuSpeedup: number;
  /** The engine's peak memory by PyTorch's. */
  readonly memory: number;
  readonly goals: { readonly speedup: number; readonly memory: number };
}

const goals: Readonly<Record<WorkloadName, BenchResult['goals']>> = {
  generate: { speedup: 3, memory: 0.7 },
  score: { speedup: 1.2, memory: 0.7 },
  train: { speedup: 1.2, memory: 0.7 },
};

/** Runs both sides in turn on the same weights, token ids and threads, and compares them. */
export async function bench(options: BenchOptions): Promise<readonly BenchResult[]> {
  const workload = makeWorkload(workloadSizes[options.quick ? 'quick' : 'full']);
  const model = await modelFolder(options);
  const tokens = join(options.folder, 'tokens.json');
  await writeFile(tokens, JSON.stringify(workload));
  const results: BenchResult[] = [];
  for (const name of options.workloads)
    results.push(compare(name, workload, await samples(options, name, model, tokens)));
  return results;
}

interface Pair {
  readonly engine: Sample;
  readonly torch: Sample;
}

async function samples(
  { quick, threads, repetitions, python, torchSide, print }: BenchOptions,
  name: WorkloadName,
  model: string,
  tokens: string,
): Promise<readonly Pair[]> {
  const sides: Side[] = [];
  const start = async (command: string, args: readonly string[]) => {
    const side = await Side.start(command, args);
    sides.push(side);
    return side;
  };
  try {
    const size = quick ? 'quick' : 'full';
    const program = join(import.meta.dirname, 'engine-side.js');
    const engine = await start(process.execPath, [program, name, model, String(threads), size]);
    const torchArgs = [name, '--model', model, '--tokens', tokens, '--threads', String(threads)];
    const torch = await start(python, [torchSide, ...torchArgs]);
    const pairs: Pair[] = [];
    for (let repetition = 0; repetition <= repetitions; repetition++) {
      const pair = { engine: await engine.run(), torch: await torch.run() };
      const kind = repetition === 0 ? 'warm-up' : `run ${repetition} of ${repetitions}`;
      print(`${name}, ${kind}: engine ${describe(pair.engine)}, PyTorch ${describe(pair.torch)}`);
      if (repetition > 0) pairs.push(pair);
    }
    return pairs;
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

/** Seconds, and seconds of all threads together. */
function describe({ seconds, cpuSeconds }: Sample): string {
  return `${seconds.toFixed(2)} s (${cpuSeconds.toFixed(2)} s of CPU)`;
}

function compare(name: WorkloadName, workload: Workload, pairs: readonly Pair[]): BenchResult {
  const tokens = tokensOf(name, workload);
  const figures = (side: (pair: Pair) => Sample): Figures => {
    const seconds = median(pairs.map((pair) => side(pair).seconds));
    return {
      seconds,
      cpuSeconds: median(pairs.map((pair) => side(pair).cpuSeconds)),
      tokensPerSecond: tokens / seconds,
      gigaflopsPerSecond: weightFlops(name, workload) / seconds / 1e9,
      peakBytes: Math.max(...pairs.map((pair) => side(pair).peakBytes)),
    };
  };
  const engine = figures((pair) => pair.engine);
  const torch = figures((pair) => pair.torch);
  return {
    workload: name,
    tokens,
    engine,
    torch,
    speedup: median(pairs.map((pair) => pair.torch.seconds / pair.engine.seconds)),
    cpuSpeedup: median(pairs.map((pair) => pair.torch.cpuSeconds / pair.engine.cpuSeconds)),
    memory: engine.peakBytes / torch.peakBytes,
    goals: goals[name],
  };
}

/** Random weights: speed does not depend on their values. */
async function modelFolder({ folder, print }: BenchOptions): Promise<string> {
  const model = join(folder, 'smollm2-135m-shape');
  await mkdir(folder, { recursive: true });
  const exists = await stat(join(model, 'config.json')).then(
    () => true,
    () => false,
  );
  if (exists) return model;
  print('making random weights in the shape of SmolLM2-135M (once, half a minute)');
  const weights = randomWeights(benchModel, 1);
  await writeModelFolder(model, { config: benchModel, weights, files: { 'tokenizer.json': '{}' } });
  return model;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
