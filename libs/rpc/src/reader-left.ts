/** What becomes of a process that nobody reads any more: `head` had enough, or the window of the terminal was closed. */
import { constants } from 'node:os';

/** What writing fails with then, to a pipe and to a terminal. */
const readerLeft: readonly (string | undefined)[] = ['EPIPE', 'EIO'];

/** Whether that is why writing failed. */
export const isReaderLeft = (error: NodeJS.ErrnoException): boolean => readerLeft.includes(error.code);

/** Calls `end` when nobody reads stdout any more; what is said on stderr to nobody is lost. Other errors are thrown. */
export function whenReaderLeaves(end: () => void): void {
  const listen = (stream: NodeJS.WriteStream, then: () => void): void => {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!isReaderLeft(error)) throw error;
      then();
    });
  };
  listen(process.stdout, end);
  listen(process.stderr, () => undefined);
}

/** Ends the process without a word when nobody reads stdout any more, with the exit code of a program that SIGPIPE ends. */
export function endWithReader(): void {
  whenReaderLeaves(() => process.exit(128 + constants.signals.SIGPIPE));
}

/**
 * Ends the process by SIGHUP, after the order that it is meant to end in, as whoever sent it expects.
 *
 * Not `process.exit`: Node.js would put the terminal back as it was, and abort because it is gone.
 */
export function endByHangUp(): void {
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
}
