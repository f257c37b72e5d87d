/** The log of a room: one JSON object a line, on stderr, so that stdout stays for people and supervisors. */
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { isReaderLeft } from './reader-left.js';
import { traceFields } from './trace.js';

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

/**
 * A logger that writes to stderr at once, so that the last lines before a crash are not lost; each line names its trace.
 * Once nobody reads, because the terminal was closed, it says nothing more.
 */
export function createLogger({ name, level = 'info' }: LoggerOptions): Logger {
  const options = { name, level, timestamp: stdTimeFunctions.isoTime, mixin: traceFields };
  const stderr = destination({ dest: 2, sync: true });
  stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (!isReaderLeft(error)) throw error;
    stderr.write = () => true;
  });
  return pino(options, stderr);
}
