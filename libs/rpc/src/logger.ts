/** The log of a room: one JSON object a line, on stderr, so that stdout stays for people and supervisors. */
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** How much is logged, from nothing to everything. */
export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/** One of the levels above. */
export type LogLevel = (typeof logLevels)[number];

/** Options of createLogger. */
export interface LoggerOptions {
  /** The room's name, on every line. */
  readonly name: string;
  /** Default `info`. */
  readonly level?: LogLevel;
}

/** A logger that writes to stderr at once, so that the last lines before a crash are not lost. */
export function createLogger({ name, level = 'info' }: LoggerOptions): Logger {
  return pino({ name, level, timestamp: stdTimeFunctions.isoTime }, destination({ dest: 2, sync: true }));
}
