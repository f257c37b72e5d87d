import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Makes the virtual environment of a folder's requirements.txt beside it, if it is not there, and returns its Python.
 *
 * pip takes packages from whatever index it is configured with. Where that offers PyTorch's CPU build, it is taken; the
 * other build runs the same CPU kernels and is larger by the libraries of a GPU.
 */
export async function pythonEnvironment(folder: string, print: (line: string) => void): Promise<string> {
  const environment = join(folder, '.venv');
  const python = join(environment, 'bin', 'python');
  const stamp = join(environment, 'made-from');
  const requirements = join(folder, 'requirements.txt');
  const wanted = await readFile(requirements, 'utf8');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === wanted) return python;
  print('making a Python environment with PyTorch (once, a few minutes)');
  await run('python3', ['-m', 'venv', '--clear', environment]);
  const install = (...what: readonly string[]) => run(python, ['-m', 'pip', 'install', '--quiet', ...what]);
  const torch = /^torch==\S+/m.exec(wanted)?.[0] ?? 'torch';
  await install(`${torch}+cpu`).catch(() => undefined);
  await install('-r', requirements);
  await writeFile(stamp, wanted);
  return python;
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let error = '';
    child.stderr.on('data', (text: Buffer) => (error += text.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args.join(' ')} failed:\n${error.slice(-2000)}`));
    });
  });
}
