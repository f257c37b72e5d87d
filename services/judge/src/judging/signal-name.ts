/** The name of a signal number. */
import { constants } from 'node:os';

/** For example `SIGSEGV`. */
export function signalName(signal: number): string {
  const found = Object.entries(constants.signals).find(([, number]) => number === signal);
  return found?.[0] ?? `signal ${signal}`;
}
