/** The room's own figures, beside those that every server counts. */
import type { SampledCompletion, TrainReport } from '@backsight/engine';
import { Counter, Gauge, type Registry } from '@backsight/rpc';

export interface PolicyMetrics {
  sampled(tokenCount: number, finishReason: SampledCompletion['finishReason']): void;
  trained(report: TrainReport): void;
  versionIs(version: number): void;
  staleIs(stale: boolean): void;
  /** A request to the OpenAI-compatible face ended. */
  answered(route: string, status: number): void;
}

/** Registers the figures. */
export function policyMetrics(registry: Registry, version: number): PolicyMetrics {
  const registers = [registry];
  const versions = new Gauge({
    name: 'policy_version',
    help: 'Optimizer steps the weights have taken.',
    registers,
  });
  const tokens = new Counter({
    name: 'policy_generated_tokens_total',
    help: 'Completion tokens sampled.',
    registers,
  });
  const completions = new Counter({
    name: 'policy_completions_total',
    help: 'Completions sampled, by why they ended.',
    labelNames: ['finish_reason'],
    registers,
  });
  const steps = new Counter({
    name: 'policy_optimizer_steps_total',
    help: 'Optimizer steps taken.',
    registers,
  });
  const skipped = new Counter({
    name: 'policy_skipped_steps_total',
    help: 'Optimizer steps whose gradient was not finite.',
    registers,
  });
  const staleness = new Gauge({
    name: 'policy_weights_stale',
    help: '1 while this policy follows a trainer that does not answer.',
    registers,
  });
  const requests = new Counter({
    name: 'policy_http_requests_total',
    help: 'Requests to the OpenAI-compatible face, by route and status.',
    labelNames: ['route', 'status'],
    registers,
  });
  versions.set(version);
  return {
    sampled: (tokenCount, finishReason) => {
      tokens.inc(tokenCount);
      completions.inc({ finish_reason: finishReason });
    },
    trained: (report) => {
      versions.set(report.version);
      steps.inc(report.steps.length);
      skipped.inc(report.steps.filter((step) => step.skipped).length);
    },
    versionIs: (current) => {
      versions.set(current);
    },
    answered: (route, status) => {
      requests.inc({ route, status });
    },
    staleIs: (stale) => {
      staleness.set(stale ? 1 : 0);
    },
  };
}
