import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeSafetensors } from '../safetensors.js';
import { freshAdapter } from './adapter.js';
import { adapterTargets } from './adapter-settings.js';
import { loadPeftFolder, writePeftFolder } from './peft-folder.js';
import { toyConfig as config } from '../toy-model.js';
const adapter = freshAdapter(config, { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'] }, 1);
adapter.factors.flat.forEach((_, i) => (adapter.factors.flat[i] = Math.cos(i)));

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'peft-'));
  await writePeftFolder(folder, adapter, 'someone/model');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const settingsOf = async () =>
  JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
const change = async (values: object) => {
  await writeFile(
    join(folder, 'adapter_config.json'),
    JSON.stringify({ ...(await settingsOf()), ...values }),
  );
};

describe('loadPeftFolder', () => {
  it('reads back what writePeftFolder wrote, bit for bit', async () => {
    const loaded = await loadPeftFolder(folder, config);
    expect(loaded.settings).toEqual(adapter.settings);
    expect(loaded.factors.equals(adapter.factors)).toBe(true);
  });

  it('reads targets in any order, by their place in the model, and in a word for all', async () => {
    await change({ target_modules: ['model.layers.1.self_attn.v_proj', 'q_proj'] });
    expect((await loadPeftFolder(folder, config)).settings.targets).toEqual(['q_proj', 'v_proj']);
    const whole = freshAdapter(config, { rank: 1, alpha: 1, targets: adapterTargets }, 1);
    await writePeftFolder(folder, whole, 'someone/model');
    await change({ target_modules: 'all-linear' });
    expect((await loadPeftFolder(folder, config)).factors.equals(whole.factors)).toBe(true);
  });

  it.each<[object, string]>([
    [{ peft_type: undefined }, 'adapter_config.json: peft_type: is missing; "LORA" is supported'],
    [{ peft_type: 'IA3' }, 'peft_type: "IA3" is not supported; "LORA" is'],
    [{ use_dora: true }, 'use_dora: true is not supported'],
    [{ use_rslora: true }, 'use_rslora: true is not supported'],
    [{ bias: 'all' }, 'bias: "all" is not supported'],
    [{ modules_to_save: ['lm_head'] }, 'modules_to_save: ["lm_head"] is not supported'],
    [{ rank_pattern: { q_proj: 4 } }, 'rank_pattern: {"q_proj":4} is not supported'],
    [{ target_modules: 'model.*q_proj$' }, 'target_modules: "model.*q_proj$" is not one of q_proj, k_proj'],
    [{ target_modules: ['lm_head'] }, 'target_modules: "lm_head" is not one of'],
    [{ r: 0 }, 'r: 0 is not a positive whole number'],
    [{ lora_alpha: null }, 'lora_alpha: is missing'],
    [{ r: 3 }, 'q_proj.lora_A.weight": expected shape [3, 8], found [2, 8]'],
    [{ target_modules: ['q_proj', 'k_proj', 'v_proj'] }, 'k_proj.lora_A.weight": is missing'],
    [{ target_modules: ['q_proj'] }, 'v_proj.lora_A.weight": is not a tensor of this model'],
  ])('refuses %j', async (values, message) => {
    await change(values);
    await expect(loadPeftFolder(folder, config)).rejects.toThrow(message);
  });

  it('names a file that is not there', async () => {
    await rm(join(folder, 'adapter_model.safetensors'));
    await expect(loadPeftFolder(folder, config)).rejects.toThrow('adapter_model.safetensors: does not exist');
    await rm(join(folder, 'adapter_config.json'));
    await expect(loadPeftFolder(folder, config)).rejects.toThrow('adapter_config.json: does not exist');
  });
});

describe('writePeftFolder', () => {
  it('replaces an adapter and leaves other files alone', async () => {
    await writeFile(join(folder, 'README.md'), 'mine');
    const other = freshAdapter(config, { rank: 1, alpha: 2, targets: ['o_proj'] }, 2);
    await writePeftFolder(folder, other, 'someone/model');
    expect((await loadPeftFolder(folder, config)).settings).toEqual(other.settings);
    const names = ['README.md', 'adapter_config.json', 'adapter_model.safetensors'];
    expect((await readdir(folder)).sort()).toEqual(names);
    expect(await settingsOf()).toMatchObject({
      base_model_name_or_path: 'someone/model',
      task_type: 'CAUSAL_LM',
    });
  });

  it('leaves nothing behind when it fails', async () => {
    const blocked = join(folder, 'blocked');
    await mkdir(join(blocked, 'adapter_model.safetensors', 'in-the-way'), { recursive: true });
    await expect(writePeftFolder(blocked, adapter, 'm')).rejects.toThrow(blocked);
    expect(await readdir(blocked)).toEqual(['adapter_model.safetensors']);
    await writeSafetensors(join(blocked, 'still-writable.safetensors'), []);
  });
});
