/** The judge's own figures under /metrics. */
import type { Verdict } from '@backsight/contract/judge';
import { Counter, Gauge, Histogram, type Registry } from '@backsight/rpc';
import { errands, type Queue } from './queue.js';

/** What the judge counts. */
export interface JudgeMetrics {
  judged(verdict: Verdict, queueMs: number, runMs: number): void;
  answeredFromCache(): void;
  /** By an identical submission that was running. */
  answeredByTwin(): void;
  /** @param ms From the end of a call until nothing of its program was left. */
  killed(ms: number): void;
  sandboxFailed(): void;
}

const seconds = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5, 10, 60];

/** Registers the figures; `leftovers` counts what is left of programs that should be over, NaN where nobody can tell. */
export function judgeMetrics(
  registry: Registry,
  queue: Queue,
  leftovers: () => Promise<number> = () => Promise.resolve(0),
): JudgeMetrics {
  const registers = [registry];
  const verdicts = new Counter({
    name: 'judge_verdicts_total',
    help: 'Submissions judged, by verdict.',
    labelNames: ['verdict'],
    registers,
  });
  const cached = new Counter({
    name: 'judge_cache_hits_total',
    help: 'Submissions answered from an identical earlier one.',
    registers,
  });
  const shared = new Counter({
    name: 'judge_shared_runs_total',
    help: 'Submissions answered by the run of an identical one that was under way.',
    registers,
  });
  const failures = new Counter({
    name: 'judge_sandbox_failures_total',
    help: 'Sandboxes that failed; a failure is retried once and never becomes a verdict.',
    registers,
  });
  const queued = new Histogram({
    name: 'judge_queue_seconds',
    help: 'Wait for a slot.',
    buckets: seconds,
    registers,
  });
  const running = new Histogram({
    name: 'judge_run_seconds',
    help: 'Time in the sandbox, all tests of a submission together.',
    buckets: seconds,
    registers,
  });
  const kills = new Histogram({
    name: 'judge_kill_seconds',
    help: 'From the end of a call, by its caller or its deadline, until nothing of its program was left.',
    buckets: seconds,
    registers,
  });
  new Gauge({
    name: 'judge_waiting',
    help: 'Submissions waiting for a slot, by what their callers asked for.',
    labelNames: ['errand'],
    registers,
    collect() {
      for (const errand of errands) this.set({ errand }, queue.waitingFor(errand));
    },
  });
  new Gauge({
    name: 'judge_leftovers',
    help: 'Processes, control groups, containers, pods and the like that are left of what is over; must be 0.',
    registers,
    async collect() {
      this.set(await leftovers().catch(() => NaN));
    },
  });
  return {
    judged: (verdict, queueMs, runMs) => {
      verdicts.inc({ verdict: verdict.replace('VERDICT_', '').toLowerCase() });
      queued.observe(queueMs / 1000);
      running.observe(runMs / 1000);
    },
    answeredFromCache: () => {
      cached.inc();
    },
    answeredByTwin: () => {
      shared.inc();
    },
    killed: (ms) => {
      kills.observe(ms / 1000);
    },
    sandboxFailed: () => {
      failures.inc();
    },
  };
}
