import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomWeights, writeModelFolder } from '@backsight/engine';
import { profileWorkload, type WorkloadProfile } from './profile-workload.js';
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
  /** Python with PyTorch and transformers, and the program that it runs; absent: the engine runs alone. */
  readonly torch?: { readonly python: string; readonly program: string };
  /** Of the processes that are measured. */
  readonly environments: Readonly<Record<'engine' | 'torch', NodeJS.ProcessEnv>>;
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

/** The engine in one workload, and PyTorch beside it if it ran. */
export interface BenchResult {
  readonly workload: WorkloadName;
  readonly tokens: number;
  readonly engine: Figures;
  readonly comparison?: Comparison;
  readonly goals: { readonly speedup: number; readonly memory: number };
}

/** PyTorch in one workload, and what the engine is beside it. */
export interface Comparison {
  readonly torch: Figures;
  /** Median over the repetitions of PyTorch's seconds by the engine's, run one right after the other. */
  readonly speedup: number;
  /** The same of CPU seconds, for a machine that others use, too. */
  readonly cpuSpeedup: number;
  /** The engine's peak memory by PyTorch's. */
  readonly memory: number;
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

/** Runs the engine alone, `repetitions` times, and tells where its time goes; what it takes is more than without a profile. */
export async function profile(options: BenchOptions): Promise<readonly WorkloadProfile[]> {
  const model = await modelFolder(options);
  const profiles: WorkloadProfile[] = [];
  for (const name of options.workloads) {
    options.print(`${name}: ${options.repetitions} x with a profile`);
    const [command, args] = engineCommand(options, name, model);
    const start = (folder: string) => Side.start(command, [...args, folder], options.environments.engine);
    profiles.push(await profileWorkload(name, options.repetitions, start));
  }
  return profiles;
}

/** A run of the engine, and one of PyTorch right after it, if that runs. */
interface Pair {
  readonly engine: Sample;
  readonly torch: Sample | undefined;
}

async function samples(
  options: BenchOptions,
  name: WorkloadName,
  model: string,
  tokens: string,
): Promise<readonly Pair[]> {
  const { threads, repetitions, torch: torchSide, environments, print } = options;
  const sides: Side[] = [];
  const start = async (which: 'engine' | 'torch', command: string, args: readonly string[]) => {
    const side = await Side.start(command, args, environments[which]);
    sides.push(side);
    return side;
  };
  try {
    const engine = await start('engine', ...engineCommand(options, name, model));
    const torchArgs = [name, '--model', model, '--tokens', tokens, '--threads', String(threads)];
    const torch = torchSide && (await start('torch', torchSide.python, [torchSide.program, ...torchArgs]));
    const pairs: Pair[] = [];
    for (let repetition = 0; repetition <= repetitions; repetition++) {
      const pair = { engine: await engine.run(), torch: await torch?.run() };
      const kind = repetition === 0 ? 'warm-up' : `run ${repetition} of ${repetitions}`;
      const beside = pair.torch === undefined ? '' : `, PyTorch ${describe(pair.torch)}`;
      print(`${name}, ${kind}: engine ${describe(pair.engine)}${beside}`);
      if (repetition > 0) pairs.push(pair);
    }
    return pairs;
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}

/** The engine's side of a workload. */
function engineCommand(
  { quick, threads }: BenchOptions,
  name: WorkloadName,
  model: string,
): readonly [command: string, args: readonly string[]] {
  const program = join(import.meta.dirname, 'engine-side.js');
  return [process.execPath, [program, name, model, String(threads), quick ? 'quick' : 'full']];
}

/** Seconds, and seconds of all threads together. */
function describe({ seconds, cpuSeconds }: Sample): string {
  return `${seconds.toFixed(2)} s (${cpuSeconds.toFixed(2)} s of CPU)`;
}

function compare(name: WorkloadName, workload: Workload, pairs: readonly Pair[]): BenchResult {
  const tokens = tokensOf(name, workload);
  const figures = (samples: readonly Sample[]): Figures => {
    const seconds = median(samples.map((sample) => sample.seconds));
    return {
      seconds,
      cpuSeconds: median(samples.map((sample) => sample.cpuSeconds)),
      tokensPerSecond: tokens / seconds,
      gigaflopsPerSecond: weightFlops(name, workload) / seconds / 1e9,
      peakBytes: Math.max(...samples.map((sample) => sample.peakBytes)),
    };
  };
  const engine = figures(pairs.map((pair) => pair.engine));
  const result = { workload: name, tokens, engine, goals: goals[name] };
  const beside = pairs.flatMap(({ engine, torch }) => (torch === undefined ? [] : [{ engine, torch }]));
  if (beside.length === 0) return result;
  const torch = figures(beside.map((pair) => pair.torch));
  return {
    ...result,
    comparison: {
      torch,
      speedup: median(beside.map((pair) => pair.torch.seconds / pair.engine.seconds)),
      cpuSpeedup: median(beside.map((pair) => pair.torch.cpuSeconds / pair.engine.cpuSeconds)),
      memory: engine.peakBytes / torch.peakBytes,
    },
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
