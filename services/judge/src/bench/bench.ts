/** Measures sandboxes beside bare python3, in one run on one machine, and says what came of it. */
import { availableParallelism, cpus, release } from 'node:os';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { judgeSubmission } from '../judging/judge-submission.js';
import { defaultLimits } from '../judging/limits.js';
import { findPython } from '../sandbox/find-python.js';
import type { SandboxKind } from '../sandbox/open-sandbox.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { spawnBare } from './bare-spawn.js';
import { type Benched, openBenched, type OpenBenchedOptions } from './benched.js';
import { measureKills } from './kill-latency.js';
import { cpuClock, measure, type Phase, quantile } from './measure.js';
import { soak } from './soak.js';
import { type Workload, workloads } from './workloads.js';

/** How to bench. */
export interface BenchOptions extends OpenBenchedOptions {
  /** How long each workload runs on either side; 0 runs none. */
  readonly seconds: number;
  readonly slots: number;
  /** Of the bare processes; by default the distribution's. */
  readonly python: string | undefined;
  /** Those of them that this machine has are measured. */
  readonly sandboxes: readonly SandboxKind[];
  readonly kills: number;
  /** Submissions of the soak; 0 for none. */
  readonly soak: number;
  readonly print: (line: string) => void;
}

const { signal } = new AbortController();
/** How many times as many submissions of one line as bare python3 they are meant to do. */
const goals: Readonly<Record<string, number>> = { docker: 1.5, zygote: 1.5, bubblewrap: 0.4 };
const longestKillMs = 100;

/** Benches; false when a promise was broken: a wrong verdict, a failure, something left behind. */
export async function bench(options: BenchOptions): Promise<boolean> {
  const { print } = options;
  const python = await findPython(options.python);
  const quiet = cpuClock();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  print(
    `machine: ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, ` +
      `Python ${python.version}, Node ${process.versions.node}; ${percent(quiet.idleShare())} idle before`,
  );
  const benched: Benched[] = [];
  let kept = true;
  try {
    for (const kind of options.sandboxes) {
      const opened = await openBenched(kind, options);
      if (typeof opened === 'string') print(`${kind}: not here. ${opened}`);
      else {
        benched.push(opened);
        print(`${kind}: ${tierOf(opened.sandbox)}, ${options.slots} slots`);
      }
    }
    for (const workload of options.seconds > 0 ? workloads : [])
      await benchWorkload(python.path, benched, workload, options);
    for (const { kind, sandbox } of benched) {
      print(`\n${kind}`);
      kept = (await benchKills(sandbox, options)) && (await benchSoak(sandbox, options)) && kept;
    }
  } finally {
    await Promise.all(benched.map(({ sandbox }) => sandbox.close()));
  }
  const left = (await Promise.all(benched.map(({ remains }) => remains()))).flat();
  print(`left behind: ${left.length === 0 ? 'nothing' : left.join(', ')}`);
  return kept && left.length === 0;
}

function tierOf({ tier }: Sandbox): string {
  return tier.replace('ISOLATION_TIER_', '').toLowerCase();
}

/** In turns, twice, so that a change of the machine's load meets all. */
async function benchWorkload(
  python: string,
  benched: readonly Benched[],
  workload: Workload,
  { seconds, slots, print }: BenchOptions,
): Promise<void> {
  const ways = [
    { name: 'bare python3', isBelow: true, work: () => spawnBare(python, workload) },
    ...benched.map(({ kind, sandbox, isBelow }) => ({
      name: kind,
      isBelow,
      work: () => judgeWorkload(sandbox, workload),
    })),
  ];
  const phases = new Map<string, Phase[]>(ways.map(({ name }) => [name, []]));
  for (const { name, work } of [...ways, ...ways]) {
    phases.get(name)?.push(await measure(slots, seconds * 500, work));
  }
  print(`\n${workload.name}`);
  const [bare = NaN, ...rates] = ways.map(({ name, isBelow }) =>
    printPhase(name, phases.get(name) ?? [], isBelow, print),
  );
  for (const [index, rate] of rates.entries()) {
    const name = benched[index]?.kind ?? '';
    const goal = goals[name];
    const met = goal === undefined || workload !== workloads[0] ? '' : ` (goal ${goal})`;
    print(`  ${name} does ${(rate / bare).toFixed(2)} times as many as bare python3${met}`);
  }
}

async function judgeWorkload(sandbox: Sandbox, { source, inputs, outputs }: Workload): Promise<void> {
  const { verdict } = await judgeSubmission(
    sandbox,
    {
      language: 'python',
      source,
      tests: inputs.map((input, index) => ({
        kind: 'stdio',
        input,
        expected: outputs[index] ?? '',
        hidden: false,
      })),
      checker: { kind: CheckerKind.EXACT, absoluteTolerance: 0, relativeTolerance: 0 },
      limits: defaultLimits,
      stopAtFirstFailure: false,
    },
    signal,
  );
  if (verdict !== Verdict.ACCEPTED) throw new Error(`the sandbox says ${verdict}`);
}

/** Submissions per second over all parts. */
function printPhase(
  name: string,
  parts: readonly Phase[],
  isBelow: boolean,
  print: (line: string) => void,
): number {
  const durations = parts.flatMap((part) => part.durations).sort((one, other) => one - other);
  const rate = parts.reduce((sum, part) => sum + part.perSecond, 0) / parts.length;
  const idle = parts.reduce((sum, part) => sum + part.idleShare, 0) / parts.length;
  const cpu = parts.reduce((sum, part) => sum + part.cpuMs, 0) / parts.length;
  print(
    `  ${name.padEnd(15)} ${rate.toFixed(0).padStart(5)} submissions/s, ` +
      `p50 ${ms(quantile(durations, 0.5))}, p95 ${ms(quantile(durations, 0.95))}, ${isBelow ? `${ms(cpu)} of CPU each, ` : ''}machine ${percent(idle)} idle`,
  );
  return rate;
}

async function benchKills(sandbox: Sandbox, { kills, print }: BenchOptions): Promise<boolean> {
  const { durations, survivors } = await measureKills(sandbox, kills);
  print(
    `\nkill to dead (goal ${longestKillMs} ms), ${kills} programs of 4 processes: p50 ${ms(quantile(durations, 0.5))}, ` +
      `p95 ${ms(quantile(durations, 0.95))}, longest ${ms(durations.at(-1) ?? NaN)}; ${survivors} survivors`,
  );
  return survivors === 0;
}

async function benchSoak(sandbox: Sandbox, options: BenchOptions): Promise<boolean> {
  if (options.soak === 0) return true;
  const result = await soak(sandbox, options.soak, 0, (done) => {
    if (done % 1000 === 0) options.print(`  ${done} of ${options.soak} submissions`);
  });
  const { submissions, attacks, seconds, failures, wrong, leftProcesses } = result;
  options.print(
    `soak: ${submissions} submissions, ${attacks} attacks among them, in ${seconds.toFixed(0)} s; ` +
      `${failures} infrastructure failures, ${wrong.length} wrong verdicts, ${leftProcesses} processes left`,
  );
  for (const each of wrong.slice(0, 20)) options.print(`  ${each}`);
  return failures + wrong.length + leftProcesses === 0;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
