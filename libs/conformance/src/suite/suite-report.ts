/** What a suite found, as a value. */
import type { CheckResult, Fate } from './run-suite.js';

export interface SuiteReport {
  readonly room: 'policy' | 'environment';
  readonly address: string;
  /** What it says it is. */
  readonly subject: string;
  readonly results: readonly CheckResult[];
  readonly passed: number;
  readonly failed: number;
  readonly notOffered: number;
  readonly seconds: number;
}

export function reportOf(
  room: SuiteReport['room'],
  address: string,
  subject: string,
  results: readonly CheckResult[],
): SuiteReport {
  const count = (wanted: Fate): number => results.filter(({ fate }) => fate === wanted).length;
  return {
    room,
    address,
    subject,
    results,
    passed: count('passed'),
    failed: count('failed'),
    notOffered: count('not-offered'),
    seconds: results.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
