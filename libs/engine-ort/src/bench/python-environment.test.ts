import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pythonEnvironment } from './python-environment.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'python-environment-'));
  await writeFile(join(folder, 'requirements.txt'), 'torch==1.2.3\n');
});
afterEach(() => rm(folder, { recursive: true }));

/** A python3 that is the given shell script; `$4` is the environment that it is to make. */
async function python(script: string): Promise<string> {
  const file = join(folder, 'python3');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

const printed: string[] = [];
const print = (line: string) => void printed.push(line);

describe('pythonEnvironment', () => {
  it('says that there is no Python, and what goes without', async () => {
    const made = pythonEnvironment(folder, print, join(folder, 'no-such-python'));
    await expect(made).rejects.toThrow(/is not installed; .*3\.10 or later.*\n.*--engine-only/);
  });

  it.each([1, 2])('says that venv failed, why, and which package brings it (said to %i)', async (way) => {
    const broken = await python(`echo "ensurepip is not available" >&${way}; exit 1`);
    await expect(pythonEnvironment(folder, print, broken)).rejects.toThrow(
      /-m venv .* failed: ensurepip is not available\n.*python3-venv/,
    );
  });

  it('says what pip could not install', async () => {
    const inside = 'echo "no matching distribution" >&2; exit 1';
    const made = await python(
      `mkdir -p "$4/bin"; printf '#!/bin/sh\\n${inside}\\n' > "$4/bin/python"; chmod +x "$4/bin/python"`,
    );
    await expect(pythonEnvironment(folder, print, made)).rejects.toThrow(
      /pip install --quiet -r .* failed: no matching distribution\n.*network/,
    );
    expect(printed.some((line) => line.includes('torch==1.2.3'))).toBe(true);
  });

  it('makes nothing where the environment was made from the same requirements', async () => {
    await mkdir(join(folder, '.venv'));
    await writeFile(join(folder, '.venv', 'made-from'), 'torch==1.2.3\n');
    const made = await pythonEnvironment(folder, print, join(folder, 'no-such-python'));
    expect(made).toBe(join(folder, '.venv', 'bin', 'python'));
  });
});
