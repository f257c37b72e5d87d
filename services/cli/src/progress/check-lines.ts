/** Checks of a conformance suite as lines for people. Pure. */
import type { CheckResult, Fate, SuiteReport } from '@backsight/conformance/suites';

const ticks: Readonly<Record<Fate, string>> = { passed: '✓', failed: '✗', 'not-offered': '–' };

/** Columns of a check's name. */
const NAME = 28;

/** A tick, the check, how long it took, and what it holds the room to; why it failed is told in the end. */
export function checkLine({ name, promise, fate, reason, seconds }: CheckResult): string {
  const time = `${seconds.toFixed(2)} s`.padStart(8);
  const line = `${ticks[fate]} ${name.padEnd(NAME)} ${time}  ${promise}`;
  return fate === 'not-offered' ? `${line}\n    not offered: ${reason}` : line;
}

/** `policy tiny on onnxruntime at 127.0.0.1:7101: 47 passed, 0 failed, 1 not offered, 21 s` */
export function closingLine({
  room,
  address,
  subject,
  passed,
  failed,
  notOffered,
  seconds,
}: SuiteReport): string {
  const counts = `${passed} passed, ${failed} failed, ${notOffered} not offered`;
  return `${room} ${subject} at ${address}: ${counts}, ${seconds.toFixed(0)} s`;
}

/** One sentence per check that failed. */
export function failuresOf({ room, results }: SuiteReport): readonly string[] {
  return results
    .filter(({ fate }) => fate === 'failed')
    .map(({ name, reason }) => `The ${room} fails ${name}: ${reason}.`);
}
