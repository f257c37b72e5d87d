/** How long a program with children lives on after its caller has gone. */
import { defaultLimits } from '../judging/limits.js';
import { alive, descendants } from '../sandbox/leftovers.js';
import type { Sandbox } from '../sandbox/sandbox.js';

/** What was seen of the kills. */
export interface Kills {
  /** Milliseconds each from the abort until the sandbox was free again, ascending. */
  readonly durations: readonly number[];
  /** Processes that were still alive then; must be 0. */
  readonly survivors: number;
}

const sleeper = 'import os, time\nfor _ in range(2): os.fork()\ntime.sleep(60)\n';
/** The warden and the four sleepers. */
const processes = 5;

/** Starts sleepers one after another and drops each once it runs. */
export async function measureKills(sandbox: Sandbox, count: number): Promise<Kills> {
  const durations: number[] = [];
  let survivors = 0;
  for (let index = 0; index < count; index++) {
    const idle = new Set(descendants(process.pid));
    const gone = new AbortController();
    const run = consume(sandbox, gone.signal).catch(() => undefined);
    let running: readonly number[] = [];
    while (running.length < processes) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      running = descendants(process.pid).filter((pid) => !idle.has(pid));
    }
    const started = performance.now();
    gone.abort();
    await run;
    durations.push(performance.now() - started);
    survivors += alive(running).length;
  }
  return { durations: durations.sort((one, other) => one - other), survivors };
}

async function consume(sandbox: Sandbox, signal: AbortSignal): Promise<void> {
  const job = {
    language: 'python',
    source: sleeper,
    files: [],
    runs: [{ kind: 'stdio', input: Buffer.alloc(0) }],
    limits: { ...defaultLimits, wallMs: 60_000 },
  } as const;
  for await (const _ of sandbox.execute(job, signal));
}
