import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  backsight,
  type Ended,
  processesOf,
  startBacksight,
  startHouse,
  type Started,
  TemporaryFolders,
} from './run-backsight.js';

const root = join(import.meta.dirname, '../../..');
const folders = new TemporaryFolders();
const environment = process.env;
const row = { task_id: 'a', split: 'train', prompt: 'x', tests: [{ input: '1', output: '1' }] };

let folder = '';
/** Path of a file in the folder. */
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await folders.make();
  await writeFile(at('tasks.jsonl'), `${JSON.stringify(row)}\n`);
});
afterAll(() => folders.remove());

/** One clear sentence, or several on lines of their own; no stack trace; an exit code that says failure. */
function expectRefusal({ code, stdout, stderr }: Ended, words: RegExp): void {
  expect(stderr).toMatch(words);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe('');
  expect(code).toBe(1);
}

/** Copies the tiny model, with its weights changed. */
async function damagedModel(name: string, damage: (weights: Buffer) => Buffer): Promise<string> {
  const model = at(name);
  await cp(join(root, 'models/tiny/weights'), model, { recursive: true });
  const file = join(model, 'model.safetensors');
  await writeFile(file, damage(await readFile(file)));
  return model;
}

interface Entry {
  shape: number[];
  data_offsets: [begin: number, end: number];
}

/** The file with its header's entries changed, and its tensors' bytes up to the last that the header names. */
function withHeader(file: Buffer, change: (header: Record<string, Entry>) => void): Buffer {
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    Entry
  >;
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const end = Math.max(...Object.values(header).map(({ data_offsets }) => data_offsets[1]));
  return Buffer.concat([size, text, file.subarray(8 + length, 8 + length + end)]);
}

/** The tensor whose bytes come last. */
const lastTensor = (header: Record<string, Entry>): string =>
  Object.entries(header).sort(([, a], [, b]) => b.data_offsets[1] - a.data_offsets[1])[0]![0];

const projection = 'model.layers.0.self_attn.q_proj.weight';

describe('backsight up', () => {
  const up = (...args: string[]) =>
    backsight(['up', '--port', '17600', '--threads', '1', '--data', at('data'), ...args], { environment });

  it.each<[string, () => Promise<readonly string[]>, RegExp]>([
    ['nothing to train on', () => Promise.resolve([]), /^There is nothing to train on: .*--tasks/],
    [
      'an environment that is not served',
      () => Promise.resolve(['--environment', '127.0.0.1:17699']),
      /^the environment at 127\.0\.0\.1:17699 cannot be reached: .* --environment is for one that is served already\.$/m,
    ],
    [
      'a task row that is malformed',
      async () => {
        await writeFile(at('bad.jsonl'), `${JSON.stringify(row)}\nnot JSON\n{"task_id": "b"}\n`);
        return ['--tasks', at('bad.jsonl')];
      },
      /bad\.jsonl:2: .*JSON.*\n.*bad\.jsonl:3: /,
    ],
    [
      'a task file that is not there',
      () => Promise.resolve(['--tasks', '/nowhere/tasks.jsonl']),
      /The task file \/nowhere\/tasks\.jsonl cannot be read: it .*; --tasks names the files\.$/m,
    ],
    [
      'a sandbox that is none of those there are',
      () => Promise.resolve(['--tasks', at('tasks.jsonl'), '--sandbox', 'cardboard']),
      /^judge: --sandbox must be one of auto, .*, not "cardboard"$/m,
    ],
    [
      'a data folder that is a file',
      () => Promise.resolve(['--tasks', at('tasks.jsonl'), '--data', at('tasks.jsonl')]),
      /^The folder .*tasks\.jsonl cannot be written to: .*--data\.$/m,
    ],
    [
      'a data folder that cannot be made',
      () => Promise.resolve(['--tasks', at('tasks.jsonl'), '--data', '/proc/backsight']),
      /^The folder \/proc\/backsight cannot be written to: .*--data\.$/m,
    ],
    [
      'a model with a missing tensor',
      async () => [
        '--tasks',
        at('tasks.jsonl'),
        '--model',
        await damagedModel('missing', (file) =>
          withHeader(file, (header) => Reflect.deleteProperty(header, lastTensor(header))),
        ),
      ],
      /model\.safetensors: tensor "model\.[\w.]+": .*missing/,
    ],
    [
      'a model with a misshapen tensor',
      async () => [
        '--tasks',
        at('tasks.jsonl'),
        '--model',
        await damagedModel('misshapen', (file) =>
          withHeader(file, (header) => {
            const [rows = 0, columns = 0] = header[projection]?.shape ?? [];
            header[projection]!.shape = [rows * 2, columns / 2];
          }),
        ),
      ],
      /q_proj\.weight": expected shape \[\d+, \d+\], found \[\d+, \d+\]/,
    ],
    [
      'weights that were cut short',
      async () => [
        '--tasks',
        at('tasks.jsonl'),
        '--model',
        await damagedModel('cut', (file) => file.subarray(0, file.length / 2)),
      ],
      /model\.safetensors: .*cut short/,
    ],
  ])(
    'refuses %s',
    async (_what, args, words) => {
      expectRefusal(await up(...(await args())), words);
      expect(await processesOf(at('data'))).toEqual([]);
    },
    60_000,
  );

  it('refuses to judge without a Python', async () => {
    const args = ['up', '--port', '17600', '--data', at('data'), '--tasks', at('tasks.jsonl')];
    const ended = await backsight(args, {
      environment: { ...environment, BACKSIGHT_PYTHON: '/nowhere/python3' },
    });
    expectRefusal(ended, /^judge: No Python to run programs with: \/nowhere\/python3.*Install python3/);
    expect(await processesOf(at('data'))).toEqual([]);
  }, 60_000);

  it('stops at once when it is told to while its rooms start', async () => {
    const data = at('early');
    const where = ['--port', '17600', '--threads', '1', '--data', data, '--tasks', at('tasks.jsonl')];
    const { child, ended } = startBacksight(['up', ...where], { environment });
    while ((await processesOf(data)).length === 0) await delay(20);
    child.kill('SIGINT');
    expect(await ended).toEqual({ code: 130, stdout: '', stderr: 'stopped\n' });
    expect(await processesOf(data)).toEqual([]);
  }, 60_000);
});

describe('backsight train, eval, probe and checkpoints', () => {
  const coordinator = ['--coordinator', '127.0.0.1:17700'];
  const recipe = [
    'name: mine',
    'steps: 1',
    'tasksPerStep: 1',
    'policy: { address: 127.0.0.1:17701 }',
    'environment: { address: 127.0.0.1:17702, split: train }',
    'sampling: { maxTokens: 24 }',
    'objective:',
    '  distillation: { alpha: 0.5, support: { kind: full } }',
    'optimizer: { learningRate: 0.001 }',
  ];
  let house: Started;

  beforeAll(async () => {
    await mkdir(at('house'));
    const where = ['--port', '17700', '--threads', '1', '--data', at('house')];
    house = await startHouse([...where, '--tasks', at('tasks.jsonl')], environment);
  }, 60_000);
  afterAll(async () => {
    house.child.kill('SIGINT');
    expect(await house.ended).toMatchObject({ code: 0, stderr: '' });
    expect(await processesOf(at('house'))).toEqual([]);
  }, 60_000);

  const train = async (text: string, ...args: string[]) => {
    await writeFile(at('recipe.yaml'), text);
    return backsight(['train', at('recipe.yaml'), ...coordinator, ...args], { environment });
  };
  const lines = (...more: string[]) => [...recipe, ...more].join('\n');
  const evaluate = (policy: string, environmentOfIts: string) =>
    backsight(
      ['eval', '--split', 'train', ...coordinator, '--policy', policy, '--environment', environmentOfIts],
      { environment },
    );
  const probe = async (text: string) => {
    await writeFile(at('recipe.yaml'), text);
    return backsight(['probe', at('recipe.yaml'), ...coordinator], { environment });
  };

  it.each<[string, () => Promise<Ended>, RegExp]>([
    [
      'an unknown key',
      () => train(lines('stepz: 3')),
      /recipe\.yaml:10: stepz is no key of a recipe; did you mean steps\?$/m,
    ],
    [
      'a wrong type and a value out of range, both at once',
      () => train(lines('seed: [1]', 'groupSize: 0')),
      /recipe\.yaml:10: seed must be a whole number.*, is \[1\]\n.*recipe\.yaml:11: groupSize must be .*, is 0$/m,
    ],
    [
      'a key that the command line set wrongly',
      () => train(lines(), '--set', 'objective.distillation.alpha=2'),
      /^--set: objective\.distillation\.alpha must be a number at least 0 and at most 1, is 2$/m,
    ],
    ['what is no YAML', () => train(lines('name: [')), /recipe\.yaml:\d+: not valid YAML: /],
    [
      'a split that the environment has not',
      () => train(lines().replace('split: train', 'split: trian')),
      /recipe\.yaml: environment\.split: the environment coding has no split trian; it has train$/m,
    ],
    [
      'a starting point that the policy has not',
      () => train(lines(), '--set', 'policy.start=yesterday'),
      /policy\.start: the policy has no checkpoint yesterday/,
    ],
    [
      'a policy that is away',
      () => train(lines().replace('17701', '9')),
      /^the policy at 127\.0\.0\.1:9 cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:9/,
    ],
    [
      'rooms that are confused',
      () => train(lines().replace('17701', '17702')),
      /^the policy at 127\.0\.0\.1:17702 does not serve Describe of backsight\.policy\.v1\.PolicyService$/m,
    ],
    [
      'an evaluation of a policy that is away',
      () => evaluate('127.0.0.1:9', '127.0.0.1:17702'),
      /^the policy at 127\.0\.0\.1:9 cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:9/,
    ],
    [
      'an evaluation in an environment that is away',
      () => evaluate('127.0.0.1:17701', '127.0.0.1:9'),
      /^the environment at 127\.0\.0\.1:9 cannot be reached: /,
    ],
    [
      'a probe of a policy that is away',
      () => probe(lines().replace('17701', '9')),
      /^the policy at 127\.0\.0\.1:9 cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:9/,
    ],
    [
      'to list the checkpoints of what is no policy',
      () => backsight(['checkpoints', '--policy', '127.0.0.1:17702'], { environment }),
      /^the policy at 127\.0\.0\.1:17702 does not serve ListCheckpoints of backsight\.policy\.v1\.PolicyService$/m,
    ],
  ])(
    'refuses %s, and starts nothing',
    async (_what, work, words) => {
      expectRefusal(await work(), words);
      expect(await backsight(['runs', ...coordinator, '--json'], { environment })).toMatchObject({
        stdout: '[]\n',
      });
    },
    30_000,
  );

  it('ends without a word when whoever reads its output has left', async () => {
    const ended = await backsight(['conformance', '--environment', '127.0.0.1:17702'], {
      environment,
      onOutput: (_text, { stdout }) => stdout?.destroy(),
    });
    expect(ended).toMatchObject({ code: 130, stderr: '' });
  }, 30_000);

  it('says what to do when nobody answers', async () => {
    const ended = await backsight(['watch', 'x', '--coordinator', '127.0.0.1:9'], { environment });
    expectRefusal(ended, /^the coordinator at 127\.0\.0\.1:9 cannot be reached: .*"backsight up" starts one/);
  }, 30_000);
});
