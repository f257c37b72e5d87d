/** The suite that judges any environment by its address. */
import type { Check } from '../suite/check.js';
import { runSuite, type SuiteListener } from '../suite/run-suite.js';
import { reportOf, type SuiteReport } from '../suite/suite-report.js';
import { playChecks } from './play-checks.js';
import { type EnvironmentSubject, withEnvironment } from './subject.js';
import { taskChecks } from './task-checks.js';

export const environmentChecks: readonly Check<EnvironmentSubject>[] = [...taskChecks, ...playChecks];

export interface EnvironmentSuiteOptions extends SuiteListener {
  /** Only checks whose names begin so. Absent: all. */
  readonly only?: string;
  readonly signal?: AbortSignal;
}

/** Judges the environment at `host:port`. Throws when it cannot be reached or `signal` aborts. */
export async function judgeEnvironment(
  address: string,
  { only = '', signal = new AbortController().signal, ...listener }: EnvironmentSuiteOptions = {},
): Promise<SuiteReport> {
  const checks = environmentChecks.filter(({ name }) => name.startsWith(only));
  return withEnvironment(address, signal, async (subject) =>
    reportOf('environment', address, subject.card.name, await runSuite(checks, subject, signal, listener)),
  );
}
