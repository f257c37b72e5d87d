import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Makes the virtual environment of a folder's requirements.txt beside it, if it is not there, and returns its Python.
 *
 * pip takes packages from whatever index it is configured with. Where that offers PyTorch's CPU build, it is taken; the
 * other build runs the same CPU kernels and is larger by the libraries of a GPU. Throws with what to do about it if there is no
 * Python, no venv or no package.
 */
export async function pythonEnvironment(
  folder: string,
  print: (line: string) => void,
  python = 'python3',
): Promise<string> {
  const environment = join(folder, '.venv');
  const own = join(environment, 'bin', 'python');
  const stamp = join(environment, 'made-from');
  const requirements = join(folder, 'requirements.txt');
  const wanted = await readFile(requirements, 'utf8');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === wanted) return own;
  print(`making a Python environment in ${environment} (once)`);
  await step(
    python,
    ['-m', 'venv', '--clear', environment],
    'On Debian and Ubuntu, venv is the package python3-venv.',
  );
  const install = (...what: readonly string[]) =>
    step(
      own,
      ['-m', 'pip', 'install', '--quiet', ...what],
      'pip needs a network or an index that it is told of.',
    );
  const torch = /^torch==\S+/m.exec(wanted)?.[0] ?? 'torch';
  print(`installing ${torch} and what else requirements.txt names: minutes, and up to 6 GB of disk`);
  const begin = performance.now();
  const timer = setInterval(() => {
    print(`still installing after ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  }, 30_000);
  try {
    await install(`${torch}+cpu`).catch(() => undefined);
    await install('-r', requirements);
  } finally {
    clearInterval(timer);
  }
  await writeFile(stamp, wanted);
  return own;
}

function step(command: string, args: readonly string[], advice: string): Promise<void> {
  const failure = (reason: string) =>
    new Error(`${command} ${args.join(' ')} failed: ${reason}\n${advice} Without PyTorch: --engine-only.`);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    // Debian's Python says on stdout that it has no venv.
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (said += text.toString()));
    child.once('error', (reason) => {
      const absent = 'code' in reason && reason.code === 'ENOENT';
      reject(
        failure(
          absent ? `${command} is not installed; the other side needs Python 3.10 or later.` : reason.message,
        ),
      );
    });
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(failure(said.trim().slice(-2000)));
    });
  });
}
