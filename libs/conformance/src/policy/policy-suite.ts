/** The suite that judges any policy by its address. */
import type { Check } from '../suite/check.js';
import { runSuite, type SuiteListener } from '../suite/run-suite.js';
import { type SuiteReport, reportOf } from '../suite/suite-report.js';
import { checkpointChecks } from './checkpoint-checks.js';
import { describeChecks } from './describe-checks.js';
import { distributionChecks } from './distribution-checks.js';
import { generateChecks } from './generate-checks.js';
import { objectiveChecks } from './objective-checks.js';
import { pullChecks } from './pull-checks.js';
import { scoreChecks } from './score-checks.js';
import { float32Tolerance, type PolicySubject, type Tolerance, withPolicy } from './subject.js';
import { stepChecks } from './step-checks.js';
import { teacherChecks } from './teacher-checks.js';
import { trainChecks } from './train-checks.js';

export const policyChecks: readonly Check<PolicySubject>[] = [
  ...describeChecks,
  ...generateChecks,
  ...distributionChecks,
  ...scoreChecks,
  ...trainChecks,
  ...stepChecks,
  ...objectiveChecks,
  ...teacherChecks,
  ...checkpointChecks,
  ...pullChecks,
];

export interface PolicySuiteOptions extends SuiteListener {
  readonly tolerance?: Tolerance;
  /** Only checks whose names begin so. Absent: all. */
  readonly only?: string;
  readonly signal?: AbortSignal;
}

/**
 * Judges the policy at `host:port`. The suite trains it, and restores it from the checkpoint `conformance-found` in the end:
 * nobody else should use it meanwhile. Throws when the policy cannot be reached or `signal` aborts.
 */
export async function judgePolicy(
  address: string,
  {
    tolerance = float32Tolerance,
    only = '',
    signal = new AbortController().signal,
    ...listener
  }: PolicySuiteOptions = {},
): Promise<SuiteReport> {
  const checks = policyChecks.filter(({ name }) => name.startsWith(only));
  return withPolicy(address, tolerance, signal, async (subject) => {
    const { model, engine } = subject.card;
    const subjectName = `${model} on ${engine?.name ?? 'an engine without a name'}`;
    return reportOf('policy', address, subjectName, await runSuite(checks, subject, signal, listener));
  });
}
