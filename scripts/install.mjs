/** Installs what package-lock.json asks for, when it is not there yet; uses nothing that must be installed first. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs `npm ci` if needed; rejects with one sentence if Node is too old or npm fails. Resolves to whether it installed. */
export async function ensureInstalled({ say }) {
  requireNode();
  if (installed()) return false;
  say('installing packages (npm ci)');
  const { status } = await runCommand('npm', ['ci', '--no-progress', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  }).catch((error) => {
    throw new Error(`npm could not be started: ${error.message}.`);
  });
  if (status !== 0) throw new Error('npm ci failed; what it said stands above.');
  return true;
}

/** Whether node_modules holds every package of the lockfile at its version; packages for other platforms may miss. */
function installed() {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const present = packagesOf(record);
  return Object.entries(packagesOf(join(root, 'package-lock.json')))
    .filter(([path, { optional, devOptional }]) => path !== '' && !(optional ?? devOptional ?? false))
    .every(([path, { version }]) => present[path]?.version === version);
}

function packagesOf(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages;
}

function requireNode() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const needed = engines.node.replace('>=', '');
  if (compare(process.versions.node, needed) >= 0) return;
  throw new Error(`Node ${needed} or newer is needed; this is ${process.versions.node}.`);
}

/** The order of two versions such as 20.19.0: negative, zero or positive. */
function compare(left, right) {
  const [a, b] = [left, right].map((version) => version.split('.').map(Number));
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
