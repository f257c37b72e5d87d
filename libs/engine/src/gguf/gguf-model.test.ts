import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadModelFolder } from '../model-folder.js';
import { bytesOf } from '../weights.js';
import { convertGguf } from './gguf-model.js';

/** A model by the `gguf` package, and what it holds by that package's own decoding; see fixtures/gguf/make_fixture.py. */
const fixture = join(import.meta.dirname, '../../fixtures/gguf');
const tiny = await readFile(join(fixture, 'tiny.gguf'));
const expected = JSON.parse(await readFile(join(fixture, 'expected.json'), 'utf8')) as {
  readonly sha256: Readonly<Record<string, string>>;
  readonly tokenizer: object;
  readonly chatTemplate: string;
};

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gguf-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Converts the fixture after a change to its bytes. */
async function convert(change: (bytes: Buffer) => Buffer | undefined = () => undefined): Promise<string> {
  const path = join(folder, 'tiny.gguf');
  const bytes = Buffer.from(tiny);
  await writeFile(path, change(bytes) ?? bytes);
  await convertGguf(path, join(folder, 'model'));
  return join(folder, 'model');
}

/** Overwrites bytes at a distance after the first occurrence of a text. */
const patch = (after: string, distance: number, with_: readonly number[]) => (bytes: Buffer) => {
  const at = bytes.indexOf(after) + after.length + distance;
  Buffer.from(with_).copy(bytes, at);
  return bytes;
};

describe('convertGguf', () => {
  it('decodes every block format to the bits that the gguf package finds, and undoes the order of rotated rows', async () => {
    const { weights } = await loadModelFolder(await convert());
    const sums = [...weights.tensors.values()].map(({ name, values }) => [
      name,
      createHash('sha256').update(bytesOf(values)).digest('hex'),
    ]);
    expect(Object.fromEntries(sums)).toEqual(expected.sha256);
  });

  it('reads the configuration from the metadata', async () => {
    const { config } = await loadModelFolder(await convert());
    expect(config).toMatchObject({
      modelType: 'llama',
      hiddenSize: 64,
      intermediateSize: 96,
      layers: 1,
      heads: 4,
      keyValueHeads: 2,
      headDim: 16,
      rmsNormEpsilon: 1e-5,
      rope: { theta: 10000 },
      tiedEmbeddings: true,
      contextWindow: 64,
      bosId: 1,
      stopIds: [2],
    });
  });

  it('rebuilds the tokenizer that the tokenizers package saves, and its chat template', async () => {
    const { texts } = await loadModelFolder(await convert());
    expect(JSON.parse(texts.tokenizerJson)).toEqual(expected.tokenizer);
    expect(texts.chatTemplate).toBe(expected.chatTemplate);
    expect(JSON.parse(texts.tokenizerConfigJson)).toMatchObject({
      bos_token: '<|im_start|>',
      eos_token: '<|im_end|>',
      model_max_length: 64,
    });
  });

  it('tells how far it is', async () => {
    const path = join(folder, 'tiny.gguf');
    await writeFile(path, tiny);
    const seen: (readonly [number, number])[] = [];
    await convertGguf(path, join(folder, 'model'), (done, total) => seen.push([done, total]));
    expect(seen).toEqual(Array.from({ length: 11 }, (_, i) => [i + 1, 11]));
  });

  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    [
      'another format',
      () => Buffer.from('PK\u0003\u0004 and so on'),
      /tiny\.gguf: does not begin with "GGUF" \(at byte 4\)/,
    ],
    ['another version', (bytes) => (bytes.writeUInt32LE(9, 4), bytes), /is GGUF version 9; 2 and 3 are read/],
    ['a head cut short', (bytes) => bytes.subarray(0, 500), /ends inside its head \(at byte \d+\)/],
    [
      'data cut short',
      (bytes) => bytes.subarray(0, bytes.length - 40),
      /tensor "output_norm\.weight": its data ends at byte \d+, but the file has \d+; it was cut short/,
    ],
    // After the name: 4 bytes of rank, 2 axes of 8 bytes, then the type.
    [
      'a block format that is not read',
      patch('blk.0.attn_k.weight', 20, [14, 0, 0, 0]),
      /tensor "blk\.0\.attn_k\.weight": has GGML type 14; F32, F16, BF16, Q4_0, Q4_1, Q8_0 are read \(at byte \d+\)/,
    ],
    [
      'a misshapen tensor',
      patch('blk.0.ffn_up.weight', 4, [32]),
      /tensor "blk\.0\.ffn_up\.weight": expected shape \[96, 64\], found \[96, 32\]/,
    ],
    [
      'an unknown tensor in place of one that is needed',
      patch('blk.0.ffn_u', 0, [0x71]),
      /tensor "blk\.0\.ffn_up\.weight": is missing; expected shape \[96, 64\]/,
    ],
    [
      'another architecture',
      patch('general.architecture', 12, [...Buffer.from('lamma')]),
      /metadata general\.architecture "lamma" is not supported; "llama" is/,
    ],
    [
      'another pre-tokenizer',
      patch('tokenizer.ggml.pre', 12, [...Buffer.from('qwen22')]),
      /metadata tokenizer\.ggml\.pre "qwen22" is not supported; "smollm" is/,
    ],
    [
      'a list longer than the file',
      patch('tokenizer.ggml.merges', 8, [0, 0, 0, 0, 1, 0, 0, 0]),
      /metadata tokenizer\.ggml\.merges announces 4294967296 elements/,
    ],
  ])('refuses %s and leaves no folder', async (_, change, message) => {
    await expect(convert(change)).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual(['tiny.gguf']);
  });

  it('names a file that is not there', async () => {
    await expect(convertGguf(join(folder, 'none.gguf'), folder)).rejects.toThrow('none.gguf: does not exist');
  });
});
