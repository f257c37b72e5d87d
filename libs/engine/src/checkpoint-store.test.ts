import { cp, mkdir, mkdtemp, open, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CheckpointStore,
  checkpointNameViolation,
  type PolicyState,
  type Retention,
} from './checkpoint-store.js';
import { CheckpointError } from './errors.js';
import { parseJsonObject } from './json.js';
import { WeightSet, type TensorTable } from './weights.js';

const table: TensorTable = new Map([
  ['a', [2, 3]],
  ['b', [5]],
]);
const filled = (value: number) =>
  new WeightSet(
    table,
    new Float32Array(11).map((_, i) => value + i / 16),
  );
const state = (version: number): PolicyState => ({
  version,
  optimizerSteps: version + 100,
  weights: filled(version),
  teacher: filled(version + 0.25),
  reference: filled(0),
  firstMoment: filled(-version),
  secondMoment: filled(version * 2),
  extra: { step: version, note: ['any', { json: null }] },
});

let folder = '';
let store = new CheckpointStore('');
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-store-'));
  store = new CheckpointStore(join(folder, 'checkpoints'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const dataFolderOf = async (name: string) =>
  (await readdir(store.folder)).find((entry) => entry.startsWith(`${name}@`)) ?? '';

describe('CheckpointStore', () => {
  it('loads what was saved, bit for bit, into new memory', async () => {
    const saved = state(3);
    saved.weights.flat[4] = NaN;
    saved.weights.flat[5] = -0;
    await store.save('run-1.step_3', saved);
    const loaded = await store.load('run-1.step_3', () => table);
    for (const part of ['weights', 'teacher', 'reference', 'firstMoment', 'secondMoment'] as const) {
      expect(loaded[part]?.equals(saved[part]!)).toBe(true);
      expect(loaded[part]?.flat.buffer).not.toBe(saved[part]!.flat.buffer);
    }
    expect(loaded).toMatchObject({ version: 3, optimizerSteps: 103, extra: saved.extra });
  });

  it('keeps absent parts absent', async () => {
    await store.save('bare', { version: 0, optimizerSteps: 0, weights: filled(1), extra: {} });
    expect(Object.keys(await store.load('bare', () => table)).sort()).toEqual([
      'extra',
      'optimizerSteps',
      'version',
      'weights',
    ]);
  });

  it('replaces a checkpoint of the same name and leaves nothing of the old one', async () => {
    await store.save('a', state(1));
    await store.save('ab', state(5));
    await store.save('a', state(2));
    expect((await store.load('a', () => table)).version).toBe(2);
    expect((await store.load('ab', () => table)).version).toBe(5);
    expect(await readdir(store.folder)).toHaveLength(4);
  });

  it('lists checkpoints newest first with version, size on disk and time', async () => {
    const before = Date.now();
    await store.save('first', state(1));
    await new Promise((resolve) => setTimeout(resolve, 2));
    await store.save('second', state(2));
    await writeFile(join(store.folder, 'notes.json'), '{}');
    const list = await store.list();
    expect(list.map(({ name, version }) => [name, version])).toEqual([
      ['second', 2],
      ['first', 1],
    ]);
    const data = join(store.folder, await dataFolderOf('first'));
    const sizes = await Promise.all(
      (await readdir(data)).map(async (file) => (await stat(join(data, file))).size),
    );
    expect(list[1]?.sizeBytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
    expect(list[1]?.createdAtMs).toBeGreaterThanOrEqual(before);
    expect(list[0]).toEqual(await store.describe('second'));
  });

  it('lists nothing where there is no folder', async () => {
    expect(await store.list()).toEqual([]);
  });

  it('says which checkpoint does not exist', async () => {
    const problem = { name: 'CheckpointError', reason: 'missing', file: join(store.folder, 'none.json') };
    await expect(store.load('none', () => table)).rejects.toMatchObject(problem);
    await expect(store.describe('none')).rejects.toMatchObject(problem);
  });

  it('refuses a flipped bit anywhere in the data, naming the file', async () => {
    await store.save('a', state(1));
    const path = join(store.folder, await dataFolderOf('a'), 'teacher.safetensors');
    const { size } = await stat(path);
    const handle = await open(path, 'r+');
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, size - 1);
    byte[0]! ^= 1;
    await handle.write(byte, 0, 1, size - 1);
    await handle.close();
    await expect(store.load('a', () => table)).rejects.toThrow(
      `${path}: does not have the SHA-256 it was written with`,
    );
  });

  it('refuses a data file that is short or gone', async () => {
    await store.save('a', state(1));
    const path = join(store.folder, await dataFolderOf('a'), 'weights.safetensors');
    await writeFile(path, (await readFile(path)).subarray(1));
    await expect(store.load('a', () => table)).rejects.toThrow('it is corrupt');
    await rm(path);
    const problem = { reason: 'invalid', problem: 'is missing from the checkpoint' };
    await expect(store.load('a', () => table)).rejects.toMatchObject(problem);
  });

  it('refuses the weights of another model, naming the tensor', async () => {
    await store.save('a', state(1));
    const other: TensorTable = new Map([...table, ['b', [6]]]);
    await expect(store.load('a', () => other)).rejects.toThrow('tensor "b": expected shape [6], found [5]');
  });

  it('names the key of a manifest that is wrong', async () => {
    await store.save('a', state(1));
    const path = join(store.folder, 'a.json');
    const manifest = parseJsonObject(await readFile(path, 'utf8'), path);
    const changes = {
      format: 'other',
      formatVersion: 9,
      folder: '../a',
      version: -1,
      extra: 3,
      files: { weights: 1 },
    };
    for (const [key, value] of Object.entries(changes)) {
      await writeFile(path, JSON.stringify({ ...manifest, [key]: value }));
      await expect(store.load('a', () => table)).rejects.toThrow(`a.json: ${key}:`);
    }
    await writeFile(path, JSON.stringify({ ...manifest, files: {} }));
    await expect(store.load('a', () => table)).rejects.toThrow('names no weights');
  });

  it('refuses names that would leave the folder', async () => {
    for (const name of ['', '.', '..', '../a', 'a/b', 'a@b', 'initial', 'ü', 'x'.repeat(101)]) {
      await expect(store.save(name, state(1))).rejects.toMatchObject({ violations: [{ field: 'name' }] });
      expect(checkpointNameViolation(name)).toContain(name.slice(0, 5));
    }
    expect(checkpointNameViolation('step-12_final.v1')).toBeUndefined();
  });

  it('says one sentence when the folder cannot be written, and leaves nothing behind', async () => {
    await writeFile(store.folder, 'a file in the way');
    await expect(store.save('a', state(1))).rejects.toMatchObject({ name: 'CheckpointError' });
    expect(await readFile(store.folder, 'utf8')).toBe('a file in the way');
  });

  it('removes what a crash left before its first save, and nothing while it only reads', async () => {
    await store.save('a', state(1));
    const left = ['a@0123456789ab', '.a@0123456789ab.json'];
    await mkdir(join(store.folder, 'a@0123456789ab'));
    await writeFile(join(store.folder, '.a@0123456789ab.json'), '{');
    const other = new CheckpointStore(store.folder);
    await other.load('a', () => table);
    await other.list();
    expect(await readdir(store.folder)).toEqual(expect.arrayContaining(left));
    await Promise.all([other.save('b', state(2)), other.save('c', state(3))]);
    const entries = await readdir(store.folder);
    expect(entries).toHaveLength(6);
    expect(entries).not.toEqual(expect.arrayContaining(left.slice(0, 1)));
    expect((await other.load('b', () => table)).version).toBe(2);
  });

  it('sweeps what a crash left, and nothing else', async () => {
    await store.save('a', state(1));
    const data = await dataFolderOf('a');
    await cp(join(store.folder, data), join(store.folder, 'a@0123456789ab'), { recursive: true });
    await writeFile(join(store.folder, '.a@0123456789ab.json'), '{');
    await writeFile(join(store.folder, 'notes.txt'), 'mine');
    await store.sweep();
    expect((await readdir(store.folder)).sort()).toEqual(['a.json', data, 'notes.txt']);
    expect((await store.load('a', () => table)).version).toBe(1);
  });

  it.each([
    ['is damaged', (text: string) => text.slice(1)],
    ['is of a later format', (text: string) => text.replace('"formatVersion": 1', '"formatVersion": 2')],
  ])('leaves the data of a checkpoint whose manifest %s', async (_what, change) => {
    await store.save('a', state(1));
    const manifest = join(store.folder, 'a.json');
    const text = await readFile(manifest, 'utf8');
    await writeFile(manifest, change(text));
    await new CheckpointStore(store.folder).save('b', state(2));
    await writeFile(manifest, text);
    expect((await store.load('a', () => table)).version).toBe(1);
  });
});

describe('CheckpointStore.load', () => {
  it('refuses every file of a checkpoint cut short anywhere, or with any byte changed', async () => {
    await store.save('a', state(1));
    const data = join(store.folder, await dataFolderOf('a'));
    for (const path of [
      join(store.folder, 'a.json'),
      ...(await readdir(data)).map((file) => join(data, file)),
    ]) {
      const whole = await readFile(path);
      for (let length = 0; length < whole.length; length += path.endsWith('.json') ? 1 : 7) {
        // The newline at the end of a manifest says nothing.
        if (path.endsWith('.json') && length === whole.length - 1) continue;
        await writeFile(path, whole.subarray(0, length));
        await expect(store.load('a', () => table)).rejects.toThrow(CheckpointError);
      }
      for (let place = 0; place < whole.length && !path.endsWith('.json'); place += 5) {
        const changed = Buffer.from(whole);
        changed[place]! ^= 0x10;
        await writeFile(path, changed);
        await expect(store.load('a', () => table)).rejects.toThrow(CheckpointError);
      }
      await writeFile(path, whole);
    }
    expect((await store.load('a', () => table)).version).toBe(1);
  });
});

describe('CheckpointStore.retain', () => {
  const kept = async (retention: Retention, ...scores: (number | undefined)[]) => {
    for (const [i, score] of scores.entries()) {
      await store.save(`c${i}`, state(i), score);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const removed = await store.retain(retention);
    const left = (await store.list()).map(({ name }) => name);
    expect([...removed, ...left].sort()).toEqual(scores.map((_, i) => `c${i}`));
    expect(await readdir(store.folder)).toHaveLength(2 * left.length);
    return left;
  };

  it('keeps all unless told otherwise', async () => {
    expect(await kept({}, 1, undefined, 2)).toEqual(['c2', 'c1', 'c0']);
  });

  it('keeps the last', async () => {
    expect(await kept({ last: 2 }, 5, 4, 3, undefined)).toEqual(['c3', 'c2']);
  });

  it('keeps the best beside the last, of equal ones the newest, and always the newest of all', async () => {
    expect(await kept({ last: 1, best: 2 }, 1, 7, 7, 7, undefined, 2)).toEqual(['c5', 'c3', 'c2']);
    await rm(store.folder, { recursive: true });
    expect(await kept({ best: 1 }, -1, -3, undefined)).toEqual(['c2', 'c0']);
  });

  it('keeps the data of those that stay whole, with their scores', async () => {
    await kept({ last: 1, best: 1 }, 3, 2, 1);
    expect((await store.load('c0', () => table)).weights.equals(filled(0))).toBe(true);
    expect((await store.list()).map(({ name, score }) => [name, score])).toEqual([
      ['c2', 1],
      ['c0', 3],
    ]);
  });
});
