/** The judge's own figures under /metrics. */
import type { Verdict } from '@backsight/contract/judge';
import { Counter, Gauge, Histogram, type Registry } from '@backsight/rpc';
import type { Queue } from './queue.js';

/** What the judge counts. */
export interface JudgeMetrics {
  judged(verdict: Verdict, queueMs: number, runMs: number): void;
  answeredFromCache(): void;
  sandboxFailed(): void;
}

const seconds = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5, 10, 60];

/** Registers the figures. */
export function judgeMetrics(registry: Registry, queue: Queue): JudgeMetrics {
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
  new Gauge({
    name: 'judge_waiting',
    help: 'Submissions waiting for a slot.',
    registers,
    collect() {
      this.set(queue.waiting);
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
    sandboxFailed: () => {
      failures.inc();
    },
  };
}
