import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigKeys } from '../config-keys.js';
import { fileError } from '../file-error.js';
import { isJsonObject, parseJsonObject, readText } from '../json.js';
import type { ModelConfig } from '../model-config.js';
import { writeNewFile, writeSafetensors } from '../safetensors.js';
import { readWeightFiles } from '../weight-files.js';
import { WeightSet, type TensorTable } from '../weights.js';
import {
  adapterTable,
  adapterTargets,
  isAdapterTarget,
  type AdapterSettings,
  type AdapterTarget,
} from './adapter-settings.js';
import type { Adapter } from './adapter.js';

const configFile = 'adapter_config.json';
const weightsFile = 'adapter_model.safetensors';

/**
 * Loads an adapter of a model from a folder in PEFT layout: adapter_config.json and adapter_model.safetensors.
 *
 * Throws `CheckpointError` naming the file and what of it is wrong or not supported, before any weight is read.
 */
export async function loadPeftFolder(folder: string, config: ModelConfig): Promise<Adapter> {
  const settings = await readSettings(join(folder, configFile));
  const table = adapterTable(config, settings);
  const stored = await readWeightFiles([join(folder, weightsFile)], asStored(table));
  return { settings, factors: new WeightSet(table, stored.flat) };
}

/** Writes an adapter in PEFT layout, whole or not at all; files of those names are replaced. */
export async function writePeftFolder(
  folder: string,
  { settings, factors }: Adapter,
  baseModel: string,
): Promise<void> {
  const temporary = join(folder, `.writing-${randomBytes(6).toString('hex')}`);
  let created: string | undefined;
  try {
    created = await mkdir(folder, { recursive: true });
    await mkdir(temporary);
    const views = [...factors.tensors.values()].map((view) => ({ ...view, name: prefix + view.name }));
    await writeSafetensors(join(temporary, weightsFile), views, { format: 'pt' });
    const text = `${JSON.stringify(configJson(settings, baseModel), undefined, 2)}\n`;
    await writeNewFile(join(temporary, configFile), [Buffer.from(text)]);
    for (const name of [weightsFile, configFile]) await rename(join(temporary, name), join(folder, name));
    await rm(temporary, { recursive: true });
  } catch (error) {
    await rm(created ?? temporary, { recursive: true, force: true }).catch(() => undefined);
    throw fileError(folder, error);
  }
}

/** What PEFT writes before the names of the model's own tensors. */
const prefix = 'base_model.model.';

function asStored(table: TensorTable): TensorTable {
  return new Map([...table].map(([name, shape]) => [prefix + name, shape]));
}

async function readSettings(file: string): Promise<AdapterSettings> {
  const keys = new ConfigKeys(parseJsonObject(await readText(file), file), file);
  keys.require('peft_type', 'LORA');
  for (const [key, allowed] of Object.entries(supported)) keys.allow(key, allowed);
  for (const key of ['rank_pattern', 'alpha_pattern']) {
    const pattern = keys.raw(key) ?? {};
    if (!isJsonObject(pattern) || Object.keys(pattern).length > 0)
      throw keys.fail(key, `${JSON.stringify(pattern)} is not supported`);
  }
  return {
    rank: keys.positive('r'),
    alpha: keys.real('lora_alpha'),
    targets: targetsOf(keys),
  };
}

/** Keys whose presence with any other value changes what the adapter does. */
const supported: Readonly<Record<string, readonly unknown[]>> = {
  bias: ['none'],
  fan_in_fan_out: [false],
  use_dora: [false],
  use_rslora: [false],
  lora_bias: [false],
  modules_to_save: [],
  layers_to_transform: [],
  layer_replication: [],
  exclude_modules: [],
  target_parameters: [],
  trainable_token_indices: [],
  alora_invocation_tokens: [],
  use_qalora: [false],
  use_bdlora: [],
};

function targetsOf(keys: ConfigKeys): readonly AdapterTarget[] {
  const named = keys.raw('target_modules');
  if (named === 'all-linear') return adapterTargets;
  const names: readonly unknown[] = Array.isArray(named) ? named : [named];
  const targets = names.map((name) => {
    // PEFT may write where each matrix lies, layer by layer; that none is left out, the tensors tell.
    const last = typeof name === 'string' ? name.slice(name.lastIndexOf('.') + 1) : '';
    if (isAdapterTarget(last)) return last;
    throw keys.fail('target_modules', `${JSON.stringify(name)} is not one of ${adapterTargets.join(', ')}`);
  });
  return adapterTargets.filter((target) => targets.includes(target));
}

function configJson({ rank, alpha, targets }: AdapterSettings, baseModel: string) {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: targets,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
    modules_to_save: null,
    layers_to_transform: null,
    rank_pattern: {},
    alpha_pattern: {},
  };
}
