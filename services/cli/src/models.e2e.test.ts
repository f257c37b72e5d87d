import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startBacksight } from './run-backsight.js';

const weights = join(import.meta.dirname, '../../../models/tiny/weights');

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'models-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** `backsight models add` into the test's folder, with a hub at an address where nothing listens. */
const add = (...args: readonly string[]) =>
  startBacksight(['models', 'add', ...args, '--into', folder], {
    environment: { PATH: process.env['PATH'], HF_ENDPOINT: 'http://127.0.0.1:9/' },
  }).ended;

describe('backsight models add', () => {
  it('adds a model from a folder, and says how to start with it', async () => {
    const { code, stdout } = await add(weights, '--name', 'small');
    const target = join(folder, 'small');
    expect([code, stdout]).toEqual([0, expect.stringContaining(`start it with --model ${target}\n`)]);
    expect(stdout).toMatch(
      /^copying model\.safetensors\nsmall: llama, 0\.7 M parameters, context of \d+ tokens\n/,
    );
    expect(existsSync(join(target, 'backsight-source.json'))).toBe(true);
  });

  it('prints JSON for programs, and finds a model that is there', async () => {
    await add(weights);
    const { code, stdout } = await add(weights, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'weights',
      architecture: 'llama',
      origin: weights,
      found: true,
    });
  });

  it.each([
    ['someone/model', /^http:\/\/127\.0\.0\.1:9 cannot be reached: fetch failed .*\n$/],
    ['nonsense', /^nonsense is neither a folder nor a model id of the form owner\/name\.\n$/],
    [tmpdir(), /config\.json: does not exist\n$/],
  ])('says in one sentence why %s cannot be had, and leaves nothing', async (source, sentence) => {
    const { code, stderr } = await add(source, '--name', 'it');
    expect([code, stderr]).toEqual([1, expect.stringMatching(sentence)]);
    expect(await readdir(folder)).toEqual([]);
  });
});
