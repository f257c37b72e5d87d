/** How long a program with children lives on after its caller has gone. */
import { randomBytes } from 'node:crypto';
import { defaultLimits } from '../judging/limits.js';
import { processesNamed } from '../sandbox/leftovers.js';
import type { Sandbox } from '../sandbox/sandbox.js';

/** What was seen of the kills. */
export interface Kills {
  /** Milliseconds each from the abort until the sandbox was free again, ascending. */
  readonly durations: readonly number[];
  /** Processes that were still alive then; must be 0. */
  readonly survivors: number;
}

/** Four processes that sleep, under a name by which this machine knows them, whoever has started them. */
const sleeper = (name: string): string =>
  [
    'import ctypes, os, time',
    `ctypes.CDLL(None).prctl(15, b"${name}", 0, 0, 0)`,
    'for _ in range(2): os.fork()',
    'time.sleep(60)',
    '',
  ].join('\n');
const processes = 4;

/** Starts sleepers one after another and drops each once it runs. */
export async function measureKills(sandbox: Sandbox, count: number): Promise<Kills> {
  const durations: number[] = [];
  let survivors = 0;
  for (let index = 0; index < count; index++) {
    const name = `sleep-${randomBytes(4).toString('hex')}`;
    const gone = new AbortController();
    const run = consume(sandbox, sleeper(name), gone.signal).catch(() => undefined);
    while (processesNamed(name).length < processes) await new Promise((resolve) => setTimeout(resolve, 5));
    const started = performance.now();
    gone.abort();
    await run;
    durations.push(performance.now() - started);
    survivors += processesNamed(name).length;
  }
  return { durations: durations.sort((one, other) => one - other), survivors };
}

async function consume(sandbox: Sandbox, source: string, signal: AbortSignal): Promise<void> {
  const job = {
    language: 'python',
    source,
    files: [],
    runs: [{ kind: 'stdio', input: Buffer.alloc(0) }],
    limits: { ...defaultLimits, wallMs: 60_000 },
  } as const;
  for await (const _ of sandbox.execute(job, signal));
}
