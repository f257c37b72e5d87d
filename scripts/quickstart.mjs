/** `npm run quickstart`: installs and builds what is not there yet, then runs `backsight quickstart` with the same options. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root } from './install.mjs';

const options = process.argv.slice(2);
// Reports of a program's own reading stay the only thing on stdout.
const say = (line) => process.stderr.write(`${line}\n`);

try {
  ensureInstalled({ say });
  build();
  process.exitCode = await run();
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}

/** Compiles what has changed; a build that is up to date takes about two seconds. */
function build() {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The build failed:\n${stdout}${stderr}`);
}

/** Returns the command's exit code; signals reach the command, which stops its rooms before it ends. */
function run() {
  const command = [join(root, 'services/cli/dist/main.js'), 'quickstart', ...options];
  const child = spawn(process.execPath, command, { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches the whole group by itself; any other signal is passed on.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}
