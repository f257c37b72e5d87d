/** Sends what the gRPC library itself has to say to a room's logger, at debug level; by default it writes to the console. */
import { setLogger } from '@grpc/grpc-js';
import type { Logger } from './logger.js';

/** One sink per process: the last room that starts gets the library's lines. */
export function redirectLibraryLog(logger: Logger): void {
  const line = (...words: unknown[]): void => {
    logger.debug({ library: 'grpc' }, words.map(String).join(' '));
  };
  setLogger({ error: line, info: line, debug: line });
}
