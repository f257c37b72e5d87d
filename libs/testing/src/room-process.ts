/** A room's main.js as a real process, for tests that kill it. */
import { type ChildProcess, spawn } from 'node:child_process';

/** How to start a process. */
export interface RoomProcessOptions {
  /** Its whole environment; add `...process.env` where it needs PATH. Default: empty. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly args?: readonly string[];
  /** Arguments of node itself. */
  readonly nodeArgs?: readonly string[];
  /** Longest wait for the line, in milliseconds. Default 20,000. */
  readonly timeoutMs?: number;
}

/** How a process ended. */
export interface ProcessEnd {
  /** Exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that runs, or ran. */
export interface RoomProcess {
  readonly pid: number;
  /** From its line `<name> listening on <address>`. */
  readonly address: string;
  /** Everything it wrote so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when it has ended. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends a signal that does not end it, for example SIGSTOP. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal (default SIGTERM) and resolves when it has ended; after 10 s it is killed. */
  stop(signal?: NodeJS.Signals): Promise<ProcessEnd>;
}

/** What a process did that ended by itself. */
export interface FinishedProcess extends ProcessEnd {
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `node <main>` and resolves once it prints that it listens; rejects with its stderr when it ends before. */
export async function startRoomProcess(main: string, options: RoomProcessOptions = {}): Promise<RoomProcess> {
  const { child, stdout, stderr, ended } = start(main, options);
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<ProcessEnd> => {
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    return ended.finally(() => {
      clearTimeout(timer);
    });
  };
  const address = await listeningLine(child, stdout, ended, options.timeoutMs ?? 20_000).catch(
    async (error: unknown) => {
      await stop('SIGKILL');
      throw new Error(`${String(error)}\n${stderr()}`);
    },
  );
  if (child.pid === undefined) throw new Error(`${main} has no process id`);
  const signal = (name: NodeJS.Signals): void => {
    child.kill(name);
  };
  return { pid: child.pid, address, stdout, stderr, ended, signal, stop };
}

/** Runs `node <main>` to its end, for processes that are expected to fail. */
export async function runToEnd(main: string, options: RoomProcessOptions = {}): Promise<FinishedProcess> {
  const { child, stdout, stderr, ended } = start(main, options);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 20_000);
  const end = await ended;
  clearTimeout(timer);
  return { ...end, stdout: stdout(), stderr: stderr() };
}

interface Started {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<ProcessEnd>;
}

function start(main: string, { env = {}, args = [], nodeArgs = [] }: RoomProcessOptions): Started {
  const child = spawn(process.execPath, [...nodeArgs, main, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const collect = (stream: NodeJS.ReadableStream): (() => string) => {
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk) => (text += String(chunk)));
    return () => text;
  };
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({ code, signal });
    });
  });
  return { child, stdout: collect(child.stdout), stderr: collect(child.stderr), ended };
}

function listeningLine(
  child: ChildProcess,
  stdout: () => string,
  ended: Promise<ProcessEnd>,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no line "... listening on <address>" within ${timeoutMs} ms`));
    }, timeoutMs);
    child.stdout?.on('data', () => {
      const address = / listening on (\S+)\n/.exec(stdout())?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
    ended.then(({ code, signal }) => {
      clearTimeout(timer);
      reject(new Error(`the process ended with ${signal ?? `code ${String(code)}`} before it listened`));
    }, reject);
  });
}
