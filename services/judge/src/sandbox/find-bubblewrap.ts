/** Finds bubblewrap, which makes sandboxes as an unprivileged user. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { NoSandbox } from './sandbox.js';

const run = promisify(execFile);
const usualPlace = '/usr/bin/bwrap';
/** The oldest that bounds the size of a tmpfs and forbids user namespaces inside. */
const oldest = [0, 8] as const;

/** The path of bwrap. Throws NoSandbox, with one sentence, when there is none, or an old one. */
export async function findBubblewrap(path = usualPlace): Promise<string> {
  const version = await versionOf(path);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > oldest[0] || minor >= oldest[1]) return path;
  throw new NoSandbox(
    `No bubblewrap to isolate programs with: ${path} ${version === '' ? 'does not run' : `is ${version}, older than ${oldest.join('.')}`}. ` +
      'Install it (Debian: apt-get install bubblewrap), or leave the choice to BACKSIGHT_SANDBOX=auto.',
  );
}

/** For example `0.8.0`; empty when it does not run. */
async function versionOf(path: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000, env: {} });
    return /\d+(?:\.\d+)*/.exec(stdout)?.[0] ?? '';
  } catch {
    return '';
  }
}
