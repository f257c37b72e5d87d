import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { goStore, makeGoLibrary } from './go-library.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-go-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A program that answers as go might, once it has noted that it was asked. */
async function go(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\necho "$@" >> ${path}.asked\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
const compiling =
  'mkdir -p "$GOCACHE" && echo fmt > "$GOCACHE/1" && echo rand > "$GOCACHE/2" && echo "fmt=$GOCACHE/1" && echo "math/rand=$GOCACHE/2"';

describe('makeGoLibrary', () => {
  it('lays out the archives by import path, all at once, and leaves nothing else', async () => {
    const store = await goStore(folder, '1.2.3');
    await makeGoLibrary(await go('go', compiling), store);
    expect(await readdir(store)).toEqual(['library']);
    expect((await readdir(join(store, 'library'))).sort()).toEqual(['fmt.a', 'math', 'packages']);
    expect(await readFile(join(store, 'library/math/rand.a'), 'utf8')).toBe('rand\n');
    expect(await readFile(join(store, 'library/packages'), 'utf8')).toBe('fmt\nmath/rand\n');
    const asked = await readFile(join(folder, 'go.asked'), 'utf8');
    expect(asked).toMatch(/^list -e -export -deps -f .+ bufio .+ unicode\/utf8\n$/);
  });

  it('compiles once, however many ask at the same time or later', async () => {
    const store = await goStore(folder, '2.0');
    const tool = await go('once', compiling);
    await Promise.all([makeGoLibrary(tool, store), makeGoLibrary(tool, store)]);
    await makeGoLibrary(tool, store);
    expect((await readFile(`${tool}.asked`, 'utf8')).trim().split('\n')).toHaveLength(1);
  });

  it('fails with what go says, leaves nothing behind, and tries again when asked again', async () => {
    const store = await goStore(folder, '3.0');
    const broken = await go('broken', 'echo "no space left" >&2; exit 1');
    await expect(makeGoLibrary(broken, store)).rejects.toThrow('no space left');
    expect(await readdir(store)).toEqual([]);
    await makeGoLibrary(await go('mended', compiling), store);
    expect(await readdir(store)).toEqual(['library']);
  });
});
