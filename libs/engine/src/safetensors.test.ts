import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SafetensorsFile, writeSafetensors } from './safetensors.js';
import { bytesOf, elementCount } from './weights.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
const newPath = () => join(folder, `${String(files++)}.safetensors`);

/** A file with this header and data, whatever they say. */
async function rawFile(header: unknown, data: Uint8Array = new Uint8Array(0)): Promise<string> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  const path = newPath();
  await writeFile(path, Buffer.concat([prefix, text, data]));
  return path;
}

async function readAll(
  path: string,
): Promise<Map<string, { shape: readonly number[]; values: Float32Array }>> {
  const file = await SafetensorsFile.open(path);
  try {
    const tensors = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    for (const { name, shape } of file.header.tensors.values()) {
      const values = new Float32Array(elementCount(shape));
      await file.read(name, values);
      tensors.set(name, { shape, values });
    }
    return tensors;
  } finally {
    await file.close();
  }
}

/** Any bit pattern, NaN payloads included. */
const tensor = fc.record({
  shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }),
  bits: fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 125, maxLength: 125 }),
});

describe('writeSafetensors', () => {
  it('writes what SafetensorsFile reads back, bit for bit', async () => {
    const tables = fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__'),
      tensor,
    );
    await fc.assert(
      fc.asyncProperty(tables, fc.dictionary(fc.string(), fc.string()), async (table, metadata) => {
        const tensors = Object.entries(table).map(([name, { shape, bits }]) => ({
          name,
          shape,
          values: new Float32Array(Uint32Array.from(bits).buffer, 0, elementCount(shape)),
        }));
        const path = newPath();
        const { sizeBytes } = await writeSafetensors(path, tensors, metadata);
        const found = await readAll(path);
        expect((await readFile(path)).length).toBe(sizeBytes);
        expect(found.size).toBe(tensors.length);
        for (const { name, shape, values } of tensors) {
          expect(found.get(name)?.shape).toEqual(shape);
          expect(Buffer.compare(bytesOf(values), bytesOf(found.get(name)!.values))).toBe(0);
        }
        const file = await SafetensorsFile.open(path);
        expect(Object.entries(file.header.metadata).sort()).toEqual(Object.entries(metadata).sort());
        await file.close();
      }),
      { numRuns: 50 },
    );
  });

  it('keeps a tensor and a note called __proto__', async () => {
    const path = newPath();
    const notes = Object.fromEntries([['__proto__', 'kept']]);
    await writeSafetensors(path, [{ name: '__proto__', shape: [1], values: Float32Array.of(7) }], notes);
    expect((await readAll(path)).get('__proto__')?.values[0]).toBe(7);
    const file = await SafetensorsFile.open(path);
    expect(Object.entries(file.header.metadata)).toEqual([['__proto__', 'kept']]);
    await file.close();
  });

  it('aligns the data to eight bytes', async () => {
    for (const name of ['a', 'ab', 'abc', 'abcd', 'ä']) {
      const path = newPath();
      await writeSafetensors(path, [{ name, shape: [1], values: Float32Array.of(1) }]);
      expect(Number((await readFile(path)).readBigUInt64LE()) % 8).toBe(0);
    }
  });

  it('refuses values that do not fill the shape, and a file that exists', async () => {
    const wrong = [{ name: 'a', shape: [2, 2], values: new Float32Array(3) }];
    await expect(writeSafetensors(newPath(), wrong)).rejects.toThrow('a has 3 values, but shape [2, 2]');
    const path = newPath();
    await writeFile(path, 'here first');
    await expect(writeSafetensors(path, [])).rejects.toThrow(path);
    expect(await readFile(path, 'utf8')).toBe('here first');
  });
});

describe('SafetensorsFile', () => {
  it('widens half precision exactly, subnormals, infinities and NaN included', async () => {
    const halves = Uint16Array.of(
      0x3c00,
      0xc000,
      0x0001,
      0x83ff,
      0x0400,
      0x7bff,
      0x7c00,
      0xfc00,
      0x7e00,
      0x8000,
    );
    const path = await rawFile(
      { h: { dtype: 'F16', shape: [10], data_offsets: [0, 20] } },
      new Uint8Array(halves.buffer),
    );
    const { values } = (await readAll(path)).get('h')!;
    const expected = [1, -2, 2 ** -24, -1023 * 2 ** -24, 2 ** -14, 65504, Infinity, -Infinity, NaN, -0];
    expected.forEach((value, i) => {
      expect(Object.is(values[i], value)).toBe(true);
    });
  });

  it('widens bfloat16 exactly', async () => {
    const halves = Uint16Array.of(0x3f80, 0xc040, 0x0001, 0x7f80, 0x7fc0);
    const path = await rawFile(
      { b: { dtype: 'BF16', shape: [5], data_offsets: [0, 10] } },
      new Uint8Array(halves.buffer),
    );
    const { values } = (await readAll(path)).get('b')!;
    [1, -3, 2 ** -133, Infinity, NaN].forEach((value, i) => {
      expect(values[i]).toBe(value);
    });
  });

  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  it.each<[string, unknown, number, RegExp]>([
    ['overlap', { a: f32(0, 8), b: f32(4, 12) }, 12, /tensor "b": its data overlaps another tensor/],
    ['leave a gap', { a: f32(0, 4), b: f32(8, 12) }, 12, /tensor "b": a gap of 4 bytes precedes its data/],
    ['end past the file', { a: f32(0, 4), b: f32(4, 12) }, 8, /tensor "b": .* it was cut short/],
    ['leave bytes over', { a: f32(0, 4) }, 7, /3 bytes follow the last tensor/],
    ['disagree with a shape', { a: f32(0, 8, [3]) }, 8, /tensor "a": shape \[3\] of F32 takes 12 bytes/],
    [
      'have a negative size',
      { a: f32(0, 8, [-2, -1]) },
      8,
      /tensor "a": its shape \[-2,-1\] is not a list of sizes/,
    ],
    ['have no shape', { a: { dtype: 'F32', data_offsets: [0, 4] } }, 4, /tensor "a": its shape/],
    ['have an unknown type', { a: { ...f32(0, 4), dtype: 'F12' } }, 4, /tensor "a": unknown dtype "F12"/],
    ['have one offset', { a: { ...f32(0, 4), data_offsets: [0] } }, 4, /tensor "a": its data_offsets \[0\]/],
    ['run backwards', { a: f32(4, 0, [1]) }, 4, /tensor "a": its data_offsets \[4,0\]/],
    ['are no objects', { a: 3 }, 0, /tensor "a": its header entry is not an object/],
    ['are no JSON', '{"a":', 0, /is not valid JSON/],
    ['are a list', '[]', 0, /is not a JSON object/],
    ['hold metadata that is no text', { __metadata__: { a: 1 } }, 0, /__metadata__/],
  ])('refuses headers that %s, naming file and tensor', async (_, header, dataBytes, message) => {
    const path = await rawFile(header, new Uint8Array(dataBytes));
    await expect(SafetensorsFile.open(path)).rejects.toThrow(message);
    await expect(SafetensorsFile.open(path)).rejects.toMatchObject({ name: 'CheckpointError', file: path });
  });

  it('refuses a file cut anywhere', async () => {
    const path = newPath();
    const tensors = ['a', 'b'].map((name) => ({ name, shape: [3], values: Float32Array.of(1, 2, 3) }));
    const { sizeBytes } = await writeSafetensors(path, tensors);
    for (let size = sizeBytes - 1; size >= 0; size--) {
      await truncate(path, size);
      await expect(SafetensorsFile.open(path)).rejects.toMatchObject({
        name: 'CheckpointError',
        reason: 'invalid',
      });
    }
  });

  it('refuses a header length beyond the file without allocating it', async () => {
    const path = newPath();
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(2n ** 60n);
    await writeFile(path, prefix);
    await expect(SafetensorsFile.open(path)).rejects.toThrow(
      'announces a header of 1152921504606846976 bytes',
    );
  });

  it('tells a pointer of Git LFS from weights', async () => {
    const path = newPath();
    await writeFile(
      path,
      `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 9\n`,
    );
    await expect(SafetensorsFile.open(path)).rejects.toThrow(`${path}: is a pointer of Git LFS`);
  });

  it('names a file that does not exist, a tensor that is not there and a type it cannot read', async () => {
    await expect(SafetensorsFile.open(join(folder, 'none'))).rejects.toMatchObject({ reason: 'missing' });
    const path = await rawFile({ n: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, new Uint8Array(8));
    const file = await SafetensorsFile.open(path);
    await expect(file.read('m', new Float32Array(1))).rejects.toThrow('tensor "m": is missing');
    await expect(file.read('n', new Float32Array(2))).rejects.toThrow('has 1 elements where 2 are expected');
    await expect(file.read('n', new Float32Array(1))).rejects.toThrow('tensor "n": has dtype I64');
    await file.close();
  });
});
