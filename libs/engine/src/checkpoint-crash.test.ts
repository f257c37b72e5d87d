import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { transform } from '@swc/core';
import { CheckpointStore } from './checkpoint-store.js';
import { WeightSet, type TensorTable } from './weights.js';

let folder = '';
let store = new CheckpointStore('');
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-crash-'));
  store = new CheckpointStore(join(folder, 'checkpoints'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Compiles this room to plain JavaScript, so that a child process can run it. */
async function compileRoom(target: string): Promise<void> {
  const jsc = { parser: { syntax: 'typescript' as const }, target: 'es2022' as const };
  await writeFile(join(target, 'package.json'), '{"type":"module"}');
  for (const file of await readdir(import.meta.dirname)) {
    if (file.endsWith('.test.ts') || !file.endsWith('.ts')) continue;
    const source = await readFile(join(import.meta.dirname, file), 'utf8');
    const { code } = await transform(source, { jsc, module: { type: 'es6' } });
    await writeFile(join(target, file.replace(/\.ts$/, '.js')), code);
  }
}

/** Each part of version n is filled with n, so that a mixture of two versions shows. */
const bigTable: TensorTable = new Map([['w', [300_000]]]);
const writer = `
  import { CheckpointStore } from './checkpoint-store.js';
  import { WeightSet } from './weights.js';
  const [folder, size, from, to] = [process.argv[2], ...process.argv.slice(3).map(Number)];
  const store = new CheckpointStore(folder);
  for (let version = from; version <= to; version++) {
    const set = () => new WeightSet(new Map([['w', [size]]]), new Float32Array(size).fill(version));
    const parts = { weights: set(), teacher: set(), firstMoment: set(), secondMoment: set() };
    await store.save('latest', { version, optimizerSteps: version, ...parts, extra: {} });
    console.log(version);
  }
`;

/** Saves version 1, then dies of SIGKILL in the middle of its n-th operation on files while it saves version 2. */
const smallTable: TensorTable = new Map([['w', [64]]]);
const dyingWriter = `
  import fs from 'node:fs/promises';
  import { syncBuiltinESMExports } from 'node:module';
  const [folder, last] = [process.argv[2], Number(process.argv[3])];
  let count = 0;
  let armed = false;
  const die = () => process.kill(process.pid, 'SIGKILL');
  const dies = () => armed && ++count === last;
  for (const name of ['mkdir', 'rename', 'rm', 'readdir', 'open', 'readFile']) {
    const real = fs[name];
    fs[name] = async (...args) => {
      if (dies()) die();
      return real(...args);
    };
  }
  const open = fs.open;
  fs.open = async (...args) => {
    const handle = await open(...args);
    const { write, sync, close } = handle;
    handle.write = async (buffer, offset, length) => {
      if (dies()) {
        await write.call(handle, buffer, offset, Math.floor(length / 2));
        die();
      }
      return write.call(handle, buffer, offset, length);
    };
    handle.sync = async () => {
      if (dies()) die();
      return sync.call(handle);
    };
    handle.close = async () => {
      if (dies()) die();
      return close.call(handle);
    };
    return handle;
  };
  syncBuiltinESMExports();
  const { CheckpointStore } = await import('./checkpoint-store.js');
  const { WeightSet } = await import('./weights.js');
  const store = new CheckpointStore(folder);
  for (const version of [1, 2]) {
    const set = () => new WeightSet(new Map([['w', [64]]]), new Float32Array(64).fill(version));
    armed = version === 2;
    await store.save('latest', { version, optimizerSteps: version, weights: set(), teacher: set(), extra: {} });
  }
  process.stdout.write('saved');
`;

describe('CheckpointStore.save', () => {
  it('leaves the previous checkpoint whole when its process is killed at any moment', async () => {
    await compileRoom(folder);
    await writeFile(join(folder, 'writer.js'), writer);
    for (const delayMs of [0, 3, 7, 12, 18, 25, 40]) {
      const args = [join(folder, 'writer.js'), store.folder, '300000', '1', '100000'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      let printed = '';
      const ended = new Promise((resolve) => child.once('close', resolve));
      await new Promise<void>((resolve) => {
        child.stdout.on('data', (chunk: Buffer) => {
          printed += chunk.toString();
          resolve();
        });
      });
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill('SIGKILL');
      await ended;
      const finished = Number(printed.trim().split('\n').at(-1));
      const loaded = await store.load('latest', () => bigTable);
      // The child may have been killed after a save and before its line.
      expect([finished, finished + 1]).toContain(loaded.version);
      for (const part of ['weights', 'teacher', 'firstMoment', 'secondMoment'] as const)
        expect(loaded[part]!.flat.every((value) => value === loaded.version)).toBe(true);
      await store.sweep();
      expect(await readdir(store.folder)).toHaveLength(2);
    }
  });

  it('leaves the previous checkpoint whole when its process dies at any operation on files, or half-way through it', async () => {
    await compileRoom(folder);
    await writeFile(join(folder, 'dying.js'), dyingWriter);
    const outcomes = new Set<number>();
    for (let operation = 1; ; operation++) {
      await rm(store.folder, { recursive: true, force: true });
      const args = [join(folder, 'dying.js'), store.folder, String(operation)];
      const { signal, stderr, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      if (signal === null) {
        expect({ stderr, stdout }).toEqual({ stderr: '', stdout: 'saved' });
        expect(operation).toBeGreaterThan(20);
        break;
      }
      const loaded = await store.load('latest', () => smallTable);
      outcomes.add(loaded.version);
      for (const part of ['weights', 'teacher'] as const)
        expect(loaded[part]!.flat.every((value) => value === loaded.version)).toBe(true);
      await store.sweep();
      expect(await readdir(store.folder)).toHaveLength(2);
      expect((await store.load('latest', () => smallTable)).version).toBe(loaded.version);
    }
    // Dying early leaves the first version, dying late, when the manifest is in its place, the second.
    expect(outcomes).toEqual(new Set([1, 2]));
  });

  // A disk of 4 MB in a mount namespace of its own; where the kernel grants none, the test is skipped by name.
  const namespaces = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
  (namespaces ? it : it.skip)(
    'says that the disk is full, keeps the previous one and leaves nothing behind',
    async () => {
      await compileRoom(folder);
      await writeFile(join(folder, 'writer.js'), writer);
      const script = `
      mount -t tmpfs -o size=4m none ${store.folder}
      node=${process.execPath}
      $node ${folder}/writer.js ${store.folder} 1000 1 1
      $node ${folder}/writer.js ${store.folder} 400000 2 2
      ls -A ${store.folder}
      $node ${folder}/writer.js ${store.folder} 2000 3 3`;
      const weights = new WeightSet(smallTable);
      await store.save('placeholder', { version: 1, optimizerSteps: 0, weights, extra: {} });
      const { stdout, stderr } = spawnSync('unshare', ['-rm', 'sh', '-c', script], { encoding: 'utf8' });
      expect(stderr).toContain('no space left on the disk');
      expect(stdout.trim().split('\n')).toEqual(['1', 'latest.json', expect.stringMatching(/^latest@/), '3']);
    },
  );
});
