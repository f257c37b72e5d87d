import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findCompiler, isAtLeast, type Search, versionIn } from './find-compiler.js';
import { thisMachine } from './machine.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-compiler-'));
  await chmod(folder, 0o755);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A compiler in a folder of its own, whose home has this mode. */
async function compiler(name: string, mode: number, within = folder): Promise<string> {
  const home = join(within, name);
  await mkdir(join(home, 'bin'), { recursive: true });
  await writeFile(join(home, 'bin/tool'), '#!/bin/sh\necho tool 4.5.6\n', { mode: 0o755 });
  await chmod(home, mode);
  return join(home, 'bin/tool');
}
const search: Search = {
  language: 'tool',
  tool: 'tool',
  folders: [],
  ask: async (path, machine) => ({ path, version: versionIn(await machine.run(path, ['--version'])) }),
};
const find = (path: string, walked = false) =>
  findCompiler(search, { set: { tool: path }, walked }, thisMachine);
const asRoot = process.getuid?.() === 0 ? it : it.skip;

describe('findCompiler', () => {
  it('finds what was set, and says what is wrong with it', async () => {
    const path = await compiler('open', 0o755);
    expect(await find(path)).toEqual({ path, version: '4.5.6' });
    expect(await find('/nowhere/tool')).toBe('/nowhere/tool is missing');
    await writeFile(join(folder, 'broken'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    expect(await find(join(folder, 'broken'))).toBe(`${join(folder, 'broken')} does not run`);
  });

  it('looks into folders in their order', async () => {
    const path = await compiler('second', 0o755);
    const folders = [join(folder, 'nowhere'), join(path, '..')];
    expect(await findCompiler(search, { folders }, thisMachine)).toMatchObject({ path });
    expect(await findCompiler(search, {}, thisMachine)).toBe('tool is missing');
  });

  asRoot('refuses what only its owner may read (needs root)', async () => {
    const path = await compiler('private', 0o700);
    expect(await find(path)).toBe(`${path} is at ${join(folder, 'private')}, which only its owner may read`);
  });

  asRoot('refuses what sandboxes would have to walk to, and cannot (needs root)', async () => {
    const home = join(folder, 'root');
    await mkdir(home, { mode: 0o700 });
    const path = await compiler('toolchain', 0o755, home);
    expect(await find(path)).toEqual({ path, version: '4.5.6' });
    expect(await find(path, true)).toBe(
      `${path} is below ${home}, which sandboxes made by bubblewrap cannot enter`,
    );
  });
});

describe('isAtLeast', () => {
  it.each([
    ['17.0.2', '11.0', true],
    ['11.0', '11.0', true],
    ['11', '11.0', true],
    ['21', '11.0', true],
    ['10.0.9', '11.0', false],
    ['1.20', '1.20', true],
    ['1.9.9', '1.20', false],
    ['2.0', '1.20', true],
    ['', '1.0', false],
  ])('takes %s for at least %s: %s', (version, oldest, is) => {
    expect(isAtLeast(version, oldest)).toBe(is);
  });
});
