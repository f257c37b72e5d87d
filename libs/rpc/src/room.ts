/** Runs a room as a process: reads its settings, starts it, says where it listens, drains it when told to stop. */
import { asksForHelp, type CommandLine, usage, withFlags } from './command-line.js';
import { createLogger, type Logger, type LogLevel } from './logger.js';
import { describeError } from './read-failure.js';
import { endByHangUp, whenReaderLeaves } from './reader-left.js';
import type { Environment } from './settings.js';

/** What a room needs to run. */
export interface Room<Config extends { readonly logLevel: LogLevel }> extends CommandLine {
  /** Its name, as in the layout. */
  readonly name: string;
  /** The process's environment variables. */
  readonly environment: Environment;
  /** Reads its settings from the environment, in which flags are settings; throws what is wrong with them. */
  readonly config: (environment: Environment) => Config;
  /** Starts it. The signal aborts when the room is told to stop, at the start of the drain. */
  readonly start: (config: Config, context: RoomContext) => Promise<StartedRoom>;
  /** Longest drain, in milliseconds. Default 10,000. */
  readonly graceMs?: number;
}

/** What a starting room is given. */
export interface RoomContext {
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A room that serves; what `serve` returns is one. */
export interface StartedRoom {
  readonly address: string;
  /** Rejects when the room cannot go on; the process then says why and ends. Absent: nothing can break it. */
  readonly broken?: Promise<never>;
  shutdown(graceMs?: number): Promise<void>;
}

/**
 * Runs the room until SIGTERM, SIGINT or the end of the channel to a parent that forked it; then drains and exits with
 * code 0. A second signal exits at once. SIGHUP, when its terminal is closed, drains it too, and then ends it. Once the
 * room serves, stdout gets the one line `<name> listening on <address>`, which supervisors wait for. A room that cannot
 * start says why in one sentence on stderr, exit code 1. `--help` prints what the room reads.
 */
export async function runRoom<Config extends { readonly logLevel: LogLevel }>(
  room: Room<Config>,
): Promise<void> {
  const { name, graceMs = 10_000 } = room;
  const args = process.argv.slice(2);
  if (asksForHelp(args)) {
    process.stdout.write(usage(name, room));
    return;
  }
  const stop = stopRequest();
  whenReaderLeaves(() => undefined); // a room serves, read or not
  try {
    const config = room.config(withFlags(room.environment, args, room.flags));
    const logger = createLogger({ name, level: config.logLevel });
    const started = await room.start(config, { logger, signal: stop.signal });
    process.stdout.write(`${name} listening on ${started.address}\n`);
    const why = await Promise.race([
      stop.requested,
      ...(started.broken === undefined ? [] : [started.broken]),
    ]);
    logger.info({ why }, 'draining');
    setTimeout(() => process.exit(1), graceMs + 5000).unref(); // a drain that hangs does not keep the process
    await started.shutdown(graceMs);
    if (why === 'SIGHUP') endByHangUp();
  } catch (error) {
    for (const line of describeError(error).split('\n')) process.stderr.write(`${name}: ${line}\n`);
    process.exit(1);
  }
  process.exit(0);
}

interface StopRequest {
  /** Aborts when asked to stop. */
  readonly signal: AbortSignal;
  /** Resolves with who asked. */
  readonly requested: Promise<string>;
}

function stopRequest(): StopRequest {
  const controller = new AbortController();
  const requested = new Promise<string>((resolve) => {
    const ask = (why: string): void => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort();
      resolve(why);
    };
    process.on('SIGTERM', ask);
    process.on('SIGINT', ask);
    // When a terminal's window is closed, both its shell and the kernel say so: the second is no hurry.
    process.on('SIGHUP', (why) => {
      if (!controller.signal.aborted) ask(why);
    });
    process.once('disconnect', () => {
      ask('the parent is gone');
    });
  });
  return { signal: controller.signal, requested };
}
