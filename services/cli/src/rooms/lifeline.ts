/** `node lifeline.js COMMAND...`: runs a program that knows no lifeline, and ends it when that of this process closes. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const [command = '', ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const end = (): void => {
  child.kill('SIGTERM');
};
for (const name of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.on(name, end);
child.once('error', (error) => {
  process.stderr.write(`${command} could not be started: ${error.message}.\n`);
  process.exit(1);
});
child.once('exit', (code, signal) => {
  process.exit(code ?? 128 + constants.signals[signal ?? 'SIGKILL']);
});
