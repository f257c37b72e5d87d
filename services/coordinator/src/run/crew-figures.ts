/** Figures of a step that tell how old the weights were that sampled it, and what followers did. */
import type { Metrics } from '@backsight/sdpo';
import type { RolloutRecord } from '../store/rollout-record.js';
import type { CrewReport } from './crew.js';
import type { SampleTally } from './draw.js';
import type { Transaction } from './transaction.js';

/** Steps taken between the weights that sampled a completion and those that train on it: 0 is on-policy. */
export function stalenessFigures(
  rollouts: readonly Pick<RolloutRecord, 'turns'>[],
  finished: readonly Transaction[],
): Metrics {
  const moved = finished.filter(({ startVersion, expectedVersion }) => expectedVersion > startVersion);
  const ages = rollouts
    .flatMap(({ turns }) => turns)
    .filter(({ completionIds }) => completionIds.length > 0)
    .map(({ policyVersion }) => moved.filter((each) => each.expectedVersion > policyVersion).length);
  return ages.length === 0
    ? {}
    : { 'staleness/mean': mean(ages), 'staleness/max': ages.reduce((most, age) => Math.max(most, age), 0) };
}

/** Nothing for a policy without followers. */
export function crewFigures(report: CrewReport | undefined, sampled: Readonly<SampleTally>): Metrics {
  if (report === undefined) return {};
  const { serving, syncSeconds } = report;
  const { byFollowers, completions, askedAgain } = sampled;
  return {
    'followers/serving': serving,
    ...(completions === 0 ? {} : { 'followers/share': byFollowers / completions }),
    'followers/asked_again': askedAgain,
    ...(syncSeconds.length === 0
      ? {}
      : { 'followers/sync_s/mean': mean(syncSeconds), 'followers/sync_s/max': Math.max(...syncSeconds) }),
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
