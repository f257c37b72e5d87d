import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { collect, TestEngines } from '../test-engine.js';
import { readProfiles } from './profile.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'profile-'));
});
afterAll(() => rm(folder, { recursive: true }));

const node = (op: string, microseconds: number, inputs: number[][], output: number[]) => ({
  cat: 'Node',
  name: `layers.0/${op}_kernel_time`,
  dur: microseconds,
  args: {
    op_name: op,
    input_type_shape: inputs.map((shape) => ({ float: shape })),
    output_type_shape: [{ float: output }],
  },
});

describe('readProfiles', () => {
  it('adds nodes up by what they do, and counts the operations of products, however they are turned', async () => {
    const file = [
      { cat: 'Session', name: 'session_initialization', dur: 900 },
      node(
        'FusedMatMul',
        10,
        [
          [6, 5],
          [2, 5],
        ],
        [6, 2],
      ),
      node(
        'FusedMatMul',
        30,
        [
          [5, 6],
          [5, 2],
        ],
        [6, 2],
      ),
      node(
        'FusedMatMul',
        20,
        [
          [4, 3, 7],
          [4, 7, 9],
        ],
        [4, 3, 9],
      ),
      node('Softmax', 5, [[4, 4]], [4, 4]),
      node('Mystery', 3, [[4]], [4]),
      { cat: 'Session', name: 'model_run', dur: 100 },
    ]
      .map((event) => JSON.stringify(event))
      .join(',\n');
    await writeFile(join(folder, 'decoding-1_now.json'), `[\n${file}\n]\n`);
    const [profile] = await readProfiles(folder);
    const part = (name: string, microseconds: number, flops = 0) => ({
      name,
      seconds: expect.closeTo(microseconds / 1e6, 12),
      flops,
    });
    expect(profile).toEqual({
      kind: 'decoding',
      runs: 1,
      seconds: 100 / 1e6,
      parts: [
        part('products of matrices', 40, 2 * 2 * 6 * 5 * 2),
        part('products of stacks of matrices', 20, 2 * 4 * 3 * 7 * 9),
        part('softmax', 5),
        part('Mystery', 3),
        part('between nodes', 32),
      ],
    });
  });

  it('reads what an engine leaves when it is closed', async () => {
    const engines = await TestEngines.create();
    const profileFolder = await mkdtemp(join(tmpdir(), 'profile-'));
    try {
      const completions = await collect(await engines.load({ profileFolder }));
      await engines.closeAll();
      const profiles = await readProfiles(profileFolder);
      expect(profiles.map(({ kind }) => kind).sort()).toEqual(['decoding', 'prompts']);
      const decoding = profiles.find(({ kind }) => kind === 'decoding')!;
      expect(decoding.runs).toBeGreaterThanOrEqual(
        Math.max(...completions.map((one) => one.tokenIds.length)) - 1,
      );
      const sum = decoding.parts.reduce((total, part) => total + part.seconds, 0);
      expect(sum).toBeCloseTo(decoding.seconds, 9);
      expect(decoding.parts.find(({ name }) => name === 'products of matrices')?.flops).toBeGreaterThan(0);
    } finally {
      await engines.remove();
      await rm(profileFolder, { recursive: true });
    }
  });
});
