import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPython } from './find-python.js';
import { NoSandbox } from './sandbox.js';

let folder = '';
let programs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-python-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A program that answers as an interpreter might. */
async function saying(answer: string): Promise<string> {
  const path = join(folder, `python-${programs++}`);
  await writeFile(path, `#!/bin/sh\necho '${answer}'\n`);
  await chmod(path, 0o755);
  return path;
}
describe('findPython', () => {
  it('finds the interpreter itself behind what starts it', async () => {
    const shim = await saying('["cpython", [3, 12, 1], "/opt/python/bin/python3.12"]');
    expect(await findPython(shim)).toEqual({ path: '/opt/python/bin/python3.12', version: '3.12.1' });
  });

  it.each([
    ['["cpython", [3, 9, 18], "/usr/bin/python3.9"]', 'is 3.9.18, not 3.10 or a newer 3'],
    ['["cpython", [4, 0, 0], "/usr/bin/python4"]', 'is 4.0.0, not 3.10 or a newer 3'],
    ['["pypy", [3, 10, 0], "/usr/bin/pypy3"]', 'is pypy, not CPython'],
    ['hello', 'does not run'],
  ])('takes no interpreter that says %s', async (answer, why) => {
    const path = await saying(answer);
    await expect(findPython(path)).rejects.toThrow(
      new NoSandbox(
        `No Python to run programs with: ${path} ${why}. ` +
          'Install python3 (Debian: apt-get install python3), or set BACKSIGHT_PYTHON to one.',
      ),
    );
  });

  it('says where none is', async () => {
    const path = join(folder, 'nowhere');
    await expect(findPython(path)).rejects.toThrow(
      `No Python to run programs with: ${path} is missing. Install`,
    );
  });
});
