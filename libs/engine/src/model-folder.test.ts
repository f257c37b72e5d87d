import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseJsonObject } from './json.js';
import type { ModelConfig } from './model-config.js';
import { checkModelFolder, loadModelFolder, writeModelFolder } from './model-folder.js';
import { randomWeights } from './random-weights.js';
import { writeSafetensors } from './safetensors.js';
import type { TensorView } from './weights.js';
import { toyConfig } from './toy-model.js';

const config: ModelConfig = { ...toyConfig, bosId: 1 };
const weights = randomWeights(config, 7);
const files = {
  'tokenizer.json': '{"version":"1.0"}',
  'tokenizer_config.json': '{"chat_template":"{{ messages }}"}',
};

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'model-folder-'));
  await writeModelFolder(folder, { config, weights, files });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const configOf = async (path: string) =>
  parseJsonObject(await readFile(join(path, 'config.json'), 'utf8'), 'config.json');

/** Replaces model.safetensors by changed tensors. */
async function rewrite(change: (tensors: TensorView[]) => TensorView[]): Promise<void> {
  await rm(join(folder, 'model.safetensors'));
  await writeSafetensors(join(folder, 'model.safetensors'), change([...weights.tensors.values()]));
}

describe('loadModelFolder', () => {
  it('reads back what writeModelFolder wrote, bit for bit', async () => {
    const model = await loadModelFolder(folder);
    expect(model.config).toEqual(config);
    expect(model.weights.equals(weights)).toBe(true);
    expect(model.texts.tokenizerJson).toBe(files['tokenizer.json']);
    expect(model.texts.chatTemplate).toBe('{{ messages }}');
    expect(folder.endsWith(model.name)).toBe(true);
  });

  it('reads shards, and prefers chat_template.jinja', async () => {
    const all = [...weights.tensors.values()];
    await rm(join(folder, 'model.safetensors'));
    const shards: [string, TensorView[]][] = [
      ['model-1-of-2.safetensors', all.slice(0, 5)],
      ['model-2-of-2.safetensors', all.slice(5)],
    ];
    const map = shards.flatMap(([file, tensors]) =>
      tensors.map(({ name }): [string, string] => [name, file]),
    );
    for (const [file, tensors] of shards) await writeSafetensors(join(folder, file), tensors);
    const index = JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) });
    await writeFile(join(folder, 'model.safetensors.index.json'), index);
    await writeFile(join(folder, 'chat_template.jinja'), 'from its own file');
    const model = await loadModelFolder(folder);
    expect(model.weights.equals(weights)).toBe(true);
    expect(model.texts.chatTemplate).toBe('from its own file');
    await rm(join(folder, 'model-2-of-2.safetensors'));
    await expect(loadModelFolder(folder)).rejects.toThrow('model-2-of-2.safetensors: does not exist');
  });

  it('refuses an index that points out of the folder', async () => {
    await writeFile(join(folder, 'model.safetensors.index.json'), '{"weight_map":{"a":"../a.safetensors"}}');
    await expect(loadModelFolder(folder)).rejects.toThrow('names "../a.safetensors" for "a"');
  });

  it('passes over a stored copy of the tied projection', async () => {
    await rewrite((tensors) => [
      ...tensors,
      { name: 'lm_head.weight', shape: [10, 8], values: new Float32Array(80) },
    ]);
    expect((await loadModelFolder(folder)).weights.equals(weights)).toBe(true);
  });

  it('names a missing tensor with the shape it should have', async () => {
    await rewrite((tensors) =>
      tensors.filter(({ name }) => name !== 'model.layers.1.self_attn.k_proj.weight'),
    );
    await expect(loadModelFolder(folder)).rejects.toThrow(
      'model.safetensors: tensor "model.layers.1.self_attn.k_proj.weight": is missing; expected shape [4, 8]',
    );
  });

  it('names a misshapen tensor with both shapes', async () => {
    await rewrite((tensors) =>
      tensors.map((view) =>
        view.name.endsWith('0.mlp.up_proj.weight') ? { ...view, shape: [8, 12] } : view,
      ),
    );
    await expect(loadModelFolder(folder)).rejects.toMatchObject({
      tensor: 'model.layers.0.mlp.up_proj.weight',
      problem: 'expected shape [12, 8], found [8, 12]',
    });
  });

  it('names a tensor that is none of the model', async () => {
    await rewrite((tensors) => [...tensors, { name: 'extra', shape: [1], values: new Float32Array(1) }]);
    await expect(loadModelFolder(folder)).rejects.toThrow('tensor "extra": is not a tensor of this model');
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])(
    'names %s when it is not there',
    async (name) => {
      await rm(join(folder, name));
      await expect(loadModelFolder(folder)).rejects.toMatchObject({
        reason: 'missing',
        file: join(folder, name),
      });
    },
  );

  it('asks whether the model is wanted before it reads weights', async () => {
    await writeFile(join(folder, 'model.safetensors'), 'not weights at all');
    const accept = ({ headDim }: ModelConfig) => {
      throw new Error(`heads of ${headDim}`);
    };
    await expect(loadModelFolder(folder, accept)).rejects.toThrow('heads of 2');
  });

  it('names weights of another format', async () => {
    await rm(join(folder, 'model.safetensors'));
    await writeFile(join(folder, 'pytorch_model.bin'), '');
    await expect(loadModelFolder(folder)).rejects.toThrow(
      'model.safetensors: does not exist; pytorch_model.bin is of a format that is not read',
    );
  });

  it('asks for the index of shards, and for a tokenizer in the form that is read', async () => {
    await rename(join(folder, 'model.safetensors'), join(folder, 'model-00001-of-00002.safetensors'));
    await expect(loadModelFolder(folder)).rejects.toThrow(
      'model.safetensors: does not exist, and model-00001-of-00002.safetensors needs model.safetensors.index.json',
    );
    const tokenizer = join(folder, 'tokenizer.json');
    await writeFile(tokenizer, 'version https://git-lfs.github.com/spec/v1');
    await expect(loadModelFolder(folder)).rejects.toThrow('tokenizer.json: is not valid JSON');
    await rename(tokenizer, join(folder, 'tokenizer.model'));
    await expect(loadModelFolder(folder)).rejects.toThrow(
      'tokenizer.json: does not exist; other forms of a tokenizer are not read: save it with transformers as a fast one',
    );
  });

  it('tells a folder that does not exist from a file', async () => {
    await expect(loadModelFolder(join(folder, 'none'))).rejects.toThrow('none: does not exist');
    await expect(loadModelFolder(join(folder, 'config.json'))).rejects.toThrow(
      'config.json: is not a folder',
    );
  });
});

describe('checkModelFolder', () => {
  it('describes a good folder and finds what is wrong with another', async () => {
    expect(await checkModelFolder(folder)).toMatchObject({
      config,
      parameterCount: weights.flat.length,
      weightFiles: ['model.safetensors'],
    });
    await rewrite((tensors) => tensors.slice(1));
    await expect(checkModelFolder(folder)).rejects.toThrow('"model.embed_tokens.weight": is missing');
  });
});

describe('writeModelFolder', () => {
  it('keeps the keys of the original config.json and says float32', async () => {
    const original = {
      ...(await configOf(folder)),
      torch_dtype: 'bfloat16',
      note: 1,
    };
    const target = join(folder, 'deeper', 'export');
    await writeModelFolder(target, {
      config,
      weights,
      files: { ...files, 'config.json': JSON.stringify(original) },
    });
    const written = await configOf(target);
    expect(written).toEqual({ ...original, torch_dtype: 'float32' });
  });

  it('leaves the other files of a folder alone, and nothing of its own beside them', async () => {
    await writeFile(join(folder, 'README.md'), 'mine');
    const other = randomWeights(config, 8);
    await writeModelFolder(folder, { config, weights: other, files });
    expect((await loadModelFolder(folder)).weights.equals(other)).toBe(true);
    const names = [
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ];
    expect((await readdir(folder)).sort()).toEqual(names);
  });

  it('leaves nothing behind when it fails', async () => {
    const blocked = join(folder, 'blocked');
    await mkdir(join(blocked, 'model.safetensors', 'in-the-way'), { recursive: true });
    await expect(writeModelFolder(blocked, { config, weights, files })).rejects.toThrow(blocked);
    expect(await readdir(blocked)).toEqual(['model.safetensors']);
  });
});
