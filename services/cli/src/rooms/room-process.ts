/** One room as a child process: started, awaited until it serves, stopped for certain. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { UserError } from '../user-error.js';

export type RoomName = 'policy' | 'judge' | 'tools' | 'science' | 'coordinator';

export interface RoomOptions {
  readonly room: RoomName;
  /** What it is called where there are several of a kind, for example `follower-1`. Default: the room. */
  readonly name?: string;
  /** Program and arguments. Default: the room's own main.js. */
  readonly command?: readonly [string, ...string[]];
  /** Settings, on top of this process's environment. */
  readonly settings: Readonly<Record<string, string>>;
  /** Variables for where this process's environment has none. */
  readonly defaults?: Readonly<Record<string, string>>;
  /** Receives the room's log. */
  readonly logFile: string;
  readonly startTimeoutMs: number;
  /** Gives up a start under way; a room that has started does not mind it. */
  readonly signal?: AbortSignal;
}

export interface RoomProcess {
  readonly room: RoomName;
  readonly pid: number;
  /** Resolves when the process has ended, with one sentence on how. */
  readonly ended: Promise<string>;
  /** Asks the room to drain, kills it after a grace period, resolves when it is gone. */
  stop(): Promise<void>;
}

const GRACE_MS = 8_000;

/** Starts a room and waits until it prints `<room> listening on <address>`. Throws a UserError with the room's own words if it ends first. */
export async function startRoom(options: RoomOptions, environment: NodeJS.ProcessEnv): Promise<RoomProcess> {
  const { room, name = room, command = commandOf(room) } = options;
  const [program, ...args] = command;
  // The ipc channel is a lifeline: rooms drain when it closes, so that none outlives a killed parent. A group of its
  // own keeps a terminal's Ctrl-C to this process, which then stops the rooms in order.
  const child = spawn(program, args, {
    env: { ...options.defaults, ...environment, ...options.settings },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  const log = createWriteStream(options.logFile, { flags: 'a' });
  log.on('error', () => undefined);
  const lastWords: string[] = [];
  const listening = new Promise<void>((resolve) => {
    const onLine = (line: string): void => {
      log.write(`${line}\n`);
      if (line.startsWith(`${room} listening on `)) resolve();
    };
    readLines(child.stdout, onLine);
    readLines(child.stderr, (line) => {
      log.write(`${line}\n`);
      if (!line.startsWith('{')) lastWords.push(line);
      if (lastWords.length > 20) lastWords.shift();
    });
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      resolve(`The ${name} room could not be started: ${error.message}.`);
    });
    child.once('close', (code, signal) => {
      log.end();
      const how = signal === null ? `with exit code ${String(code)}` : `by ${signal}`;
      resolve(
        lastWords.length > 0
          ? lastWords.join('\n')
          : `The ${name} room ended ${how}; its log is ${options.logFile}.`,
      );
    });
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => {
      killGroup(child);
    }, GRACE_MS);
    await ended;
    clearTimeout(timer);
  };
  const outcome = await firstOf(listening, ended, options);
  if (outcome === 'listening' && child.pid !== undefined) return { room, pid: child.pid, ended, stop };
  await stop();
  if (outcome === 'given up') throw new UserError(`The ${name} room was stopped before it had started.`);
  throw new UserError(
    outcome === 'late'
      ? `The ${name} room did not start within ${options.startTimeoutMs / 1000} s; its log is ${options.logFile}.`
      : await ended,
  );
}

function commandOf(room: RoomName): readonly [string, ...string[]] {
  const program = fileURLToPath(new URL(`../../../${room}/dist/main.js`, import.meta.url));
  if (!existsSync(program)) throw new UserError(`The ${room} room is not built. Run: npm run build`);
  return [process.execPath, program];
}

/** The room with whatever it has started. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', onLine);
}

async function firstOf(
  listening: Promise<void>,
  ended: Promise<string>,
  { startTimeoutMs, signal }: RoomOptions,
): Promise<'listening' | 'ended' | 'late' | 'given up'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => {
      resolve('late');
    }, startTimeoutMs);
  });
  const over = new AbortController();
  const givenUp = new Promise<'given up'>((resolve) => {
    const giveUp = (): void => {
      resolve('given up');
    };
    if (signal?.aborted === true) giveUp();
    signal?.addEventListener('abort', giveUp, { signal: over.signal });
  });
  try {
    return await Promise.race([
      listening.then(() => 'listening' as const),
      ended.then(() => 'ended' as const),
      late,
      givenUp,
    ]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
