/**
 * `node scripts/run.mjs PROGRAM [ARGUMENT...]`: runs a built program of this repository with the arguments as they are,
 * after installing and building what is not there yet.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt } from './build.mjs';
import { root } from './install.mjs';

const [program, ...args] = process.argv.slice(2);
// The program's own output stays the only thing on stdout.
const say = (line) => process.stderr.write(`${line}\n`);

try {
  await ensureBuilt({ say });
  process.exitCode = await run();
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}

/** Returns the program's exit code; signals reach the program, which ends what it started before it ends. */
function run() {
  // A terminal's Ctrl-C reaches the whole group by itself; any other signal is passed on.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const child = spawn(process.execPath, [join(root, program), ...args], { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
