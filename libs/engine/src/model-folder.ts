import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { CheckpointError } from './errors.js';
import { fileError } from './file-error.js';
import { isJsonObject, parseJsonObject, readOptionalText } from './json.js';
import type { ModelConfig } from './model-config.js';
import { modelConfigJson, parseModelConfig } from './model-config-json.js';
import { isRedundantTensor, modelTensors } from './model-tensors.js';
import { readModelTexts, type ModelTexts } from './model-texts.js';
import { writeNewFile, writeSafetensors } from './safetensors.js';
import { checkWeightFiles, readWeightFiles } from './weight-files.js';
import { totalElements, type WeightSet } from './weights.js';

const weightsFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';

/** A model read from a Hugging Face folder. */
export interface LoadedModel {
  /** The folder's own name, for people. */
  readonly name: string;
  readonly config: ModelConfig;
  readonly weights: WeightSet;
  readonly texts: ModelTexts;
}

/**
 * Loads config.json, model.safetensors (or its shards) and the tokenizer's texts.
 *
 * Throws `CheckpointError` naming the file, key or tensor that is wrong, before anything large is loaded; `accept` may then
 * throw its own for a model that the caller cannot run.
 */
export async function loadModelFolder(
  folder: string,
  accept: (config: ModelConfig) => void = () => undefined,
): Promise<LoadedModel> {
  const { texts, config, paths } = await describeFolder(folder);
  accept(config);
  const weights = await readWeightFiles(paths, modelTensors(config), isRedundant(config));
  return { name: basename(resolve(folder)), config, weights, texts };
}

/** A model folder that was checked, not loaded. */
export interface CheckedModel extends Omit<LoadedModel, 'weights'> {
  readonly parameterCount: number;
  /** Names of the files with its weights, their index included. */
  readonly weightFiles: readonly string[];
}

/** Checks all that `loadModelFolder` checks, headers of weight files included, and loads no weights. */
export async function checkModelFolder(folder: string): Promise<CheckedModel> {
  const { texts, config, paths } = await describeFolder(folder);
  const table = modelTensors(config);
  await checkWeightFiles(paths, table, isRedundant(config));
  const shards = paths.map((path) => basename(path));
  return {
    name: basename(resolve(folder)),
    config,
    texts,
    parameterCount: totalElements(table),
    weightFiles: shards.includes(weightsFile) ? shards : [indexFile, ...shards],
  };
}

/** Checks a folder's texts alone, before its weights are there. */
export async function checkModelTexts(folder: string): Promise<ModelConfig> {
  return parseConfig(await readModelTexts(folder), folder);
}

async function describeFolder(folder: string) {
  await requireFolder(folder);
  const texts = await readModelTexts(folder);
  const config = parseConfig(texts, folder);
  return { texts, config, paths: await weightFiles(folder) };
}

const isRedundant = (config: ModelConfig) => (name: string) => isRedundantTensor(config, name);

/** The configuration of a folder whose texts are read. */
function parseConfig(texts: Pick<ModelTexts, 'files'>, folder: string): ModelConfig {
  const file = join(folder, 'config.json');
  const generationFile = join(folder, 'generation_config.json');
  const generation = texts.files['generation_config.json'];
  return parseModelConfig(
    parseJsonObject(texts.files['config.json'] ?? '', file),
    file,
    generation === undefined ? undefined : parseJsonObject(generation, generationFile),
  );
}

/**
 * Writes a folder that Hugging Face software and `loadModelFolder` read; other files of an existing folder stay.
 *
 * Everything is written beside and flushed first, then moved into place, so an error leaves the folder as it was.
 * `files` are the text files by name; a missing config.json is made from `config`.
 */
export async function writeModelFolder(
  folder: string,
  model: {
    readonly config: ModelConfig;
    readonly weights: WeightSet;
    readonly files: Readonly<Record<string, string>>;
  },
): Promise<void> {
  let created: string | undefined;
  const temporary = join(folder, `.writing-${randomBytes(6).toString('hex')}`);
  try {
    created = await mkdir(folder, { recursive: true });
    await mkdir(temporary);
    await writeSafetensors(join(temporary, weightsFile), [...model.weights.tensors.values()], {
      format: 'pt',
    });
    const files = { ...model.files, 'config.json': exportedConfig(model) };
    for (const [name, text] of Object.entries(files))
      await writeNewFile(join(temporary, name), [Buffer.from(text)]);
    for (const name of [weightsFile, ...Object.keys(files)])
      await rename(join(temporary, name), join(folder, name));
    // The index of a sharded model would hide the file just written.
    await rm(join(folder, indexFile), { force: true });
    await rm(temporary, { recursive: true });
  } catch (error) {
    await rm(created ?? temporary, { recursive: true, force: true }).catch(() => undefined);
    throw fileError(folder, error);
  }
}

/** The original config.json, with the type that the weights are written in. */
function exportedConfig({
  config,
  files,
}: {
  config: ModelConfig;
  files: Readonly<Record<string, string>>;
}): string {
  const text = files['config.json'];
  const values = text === undefined ? modelConfigJson(config) : parseJsonObject(text, 'config.json');
  const type = 'dtype' in values ? { dtype: 'float32' } : { torch_dtype: 'float32' };
  return `${JSON.stringify({ ...values, ...type }, undefined, 2)}\n`;
}

async function requireFolder(folder: string): Promise<void> {
  try {
    if ((await stat(folder)).isDirectory()) return;
  } catch (error) {
    throw fileError(folder, error);
  }
  throw new CheckpointError({ reason: 'invalid', file: folder, problem: 'is not a folder' });
}

/** model.safetensors, or the shards that model.safetensors.index.json names. */
async function weightFiles(folder: string): Promise<readonly string[]> {
  const indexPath = join(folder, indexFile);
  const indexText = await readOptionalText(indexPath);
  if (indexText === undefined) {
    await refuseOtherFormats(folder);
    return [join(folder, weightsFile)];
  }
  const map = parseJsonObject(indexText, indexPath)['weight_map'];
  const fail = (problem: string) => new CheckpointError({ reason: 'invalid', file: indexPath, problem });
  if (!isJsonObject(map)) throw fail('weight_map is not an object');
  const names = new Set<string>();
  for (const [tensor, name] of Object.entries(map)) {
    if (typeof name !== 'string' || !/^[\w.-]+\.safetensors$/.test(name))
      throw fail(
        `weight_map names ${JSON.stringify(name)} for "${tensor}", which is not a safetensors file of the folder`,
      );
    names.add(name);
  }
  return [...names].sort().map((name) => join(folder, name));
}

/** Names the weights that are there, in a format that is not read or without an index, rather than those that are not. */
async function refuseOtherFormats(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.includes(weightsFile)) return;
  const fail = (problem: string) =>
    new CheckpointError({ reason: 'missing', file: join(folder, weightsFile), problem });
  const shard = names.find((name) => name.endsWith('.safetensors'));
  if (shard !== undefined)
    throw fail(`does not exist, and ${shard} needs ${indexFile} to say which tensors lie where`);
  const other = names.find((name) => /\.(bin|pt|pth|gguf|onnx|msgpack|h5)$/.test(name));
  if (other !== undefined)
    throw fail(`does not exist; ${other} is of a format that is not read: save the model as safetensors`);
}
