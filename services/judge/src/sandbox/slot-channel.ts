/** A slot's channel is how the judge reaches its supervisor: a pipe in, a pipe out, wherever the slot runs. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** The way to a slot that was started. */
export interface SlotChannel {
  readonly requests: Writable;
  readonly answers: Readable;
  /** Settles once the slot has ended, or cannot be reached any more; never rejects. */
  readonly ended: Promise<void>;
  /** Ends the slot at once, with whatever it runs. */
  kill(): void;
}

/** All that a slot may see of an environment; its programs see all but the last, which slot.py drops. */
export const slotEnvironment = {
  PATH: '/usr/bin:/bin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
  // What its sandboxes call is found once, when it starts, and not in every one of them anew.
  LD_BIND_NOW: '1',
};

/** The folder of this room's Python on this machine: beside `src` and `dist` alike. */
export const ownPythonFolder = resolve(import.meta.dirname, '../../python');

/** The command of a slot; `settings` are those of python/slot.py, `folder` holds it. */
export function slotCommand(python: string, folder: string, settings: object): readonly string[] {
  // Not -I: it would ignore PYTHONHASHSEED. The environment is ours, and -s and -S keep everything else out.
  return [python, '-s', '-S', '-B', `${folder}/slot.py`, JSON.stringify(settings)];
}

/** Starts a slot as a process of this machine; `onComplaint` gets what it writes to standard error, line by line. */
export function spawnSlot(command: readonly string[], onComplaint: (line: string) => void): SlotChannel {
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, {
    env: slotEnvironment,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((done) => {
    child.once('close', () => {
      done();
    });
    child.once('error', () => {
      done();
    });
  });
  forwardLines(child.stderr, onComplaint);
  return {
    requests: child.stdin,
    answers: child.stdout,
    ended,
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}

/** Gives what comes out of a stream to `onLine`, line by line. */
export function forwardLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
}
