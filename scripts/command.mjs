/**
 * Commands that must not outlive us: npm, when it is interrupted or its parent has ended, goes on for half a minute to
 * clean up what its next run cleans up anyway.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const fatal = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs a command to its end: `{ status, output }`, where `output` is what it wrote to the pipes of `options.stdio`, and
 * `status` is null when a signal ended it. A signal that would end this process kills the command first. Rejects when it
 * cannot be started.
 */
export function runCommand(program, args, options) {
  let child;
  const stop = (signal) => {
    child.once('close', () => process.exit(128 + constants.signals[signal]));
    child.kill('SIGKILL');
  };
  // Before the command begins: on a busy machine it may run before the next line here does.
  for (const signal of fatal) process.on(signal, stop);
  child = spawn(program, args, options);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => (output += text));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, output }));
  }).finally(() => {
    for (const signal of fatal) process.off(signal, stop);
  });
}
