import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { backsight, startHouse, type Started, TemporaryFolders } from './run-backsight.js';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/python-environment.md'), 'utf8');

/** Where this test has the page's rooms. */
const PORTS = { '127.0.0.1:7200': '127.0.0.1:17920', '127.0.0.1:7101': '127.0.0.1:17901' };

/** The page's one block in that language, with this test's ports. */
function block(language: string): string {
  const [, text = ''] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page) ?? [];
  return Object.entries(PORTS).reduce((written, [from, to]) => written.replaceAll(from, to), text);
}

/** A Python that has grpcio-tools: that of services/policy-torch, where it is set up, or the machine's. */
const python = [join(root, 'services/policy-torch/.venv/bin/python'), 'python3'].find(
  (each) =>
    (each === 'python3' || existsSync(each)) &&
    spawnSync(each, ['-c', 'import grpc_tools.protoc'], { stdio: 'ignore' }).status === 0,
);
const whereThereIsGrpc = python === undefined ? describe.skip : describe;

whereThereIsGrpc('the page on environments in Python (needs a Python with grpcio-tools)', () => {
  const folders = new TemporaryFolders();
  let folder = '';
  let served: ChildProcess | undefined;
  let house: Started | undefined;

  beforeAll(async () => {
    folder = await folders.make();
    const made = spawnSync(
      python!,
      [
        ...['-m', 'grpc_tools.protoc', '-I', join(root, 'protos'), '--python_out=.', '--grpc_python_out=.'],
        'backsight/environment/v1/environment.proto',
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(made).toMatchObject({ status: 0, stderr: '' });
    await writeFile(join(folder, 'number_words.py'), block('python'));
    await writeFile(join(folder, 'recipe.yaml'), block('yaml'));
    served = spawn(python!, ['number_words.py'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => served?.stdout?.once('data', resolve));
  }, 60_000);

  afterAll(async () => {
    house?.child.kill('SIGINT');
    await house?.ended;
    served?.kill('SIGKILL');
    await folders.remove();
  }, 60_000);

  it('makes an environment that keeps its contract', async () => {
    const args = ['conformance', '--environment', PORTS['127.0.0.1:7200']];
    const { stdout } = await backsight(args, { environment: process.env });
    expect(stdout).toMatch(/^environment number-words at \S+: 8 passed, 0 failed, 0 not offered/m);
  }, 60_000);

  it('makes one that the tiny policy learns from', async () => {
    const where = ['--port', '17900', '--threads', '2', '--data', join(folder, 'data')];
    house = await startHouse(['--environment', PORTS['127.0.0.1:7200'], ...where], process.env);
    const train = ['train', join(folder, 'recipe.yaml'), '--coordinator', '127.0.0.1:17900'];
    const { stdout, stderr } = await backsight(train, { environment: process.env });
    expect(stderr).toBe('');
    const rewards = [...stdout.matchAll(/ reward (\d\.\d\d) /g)].map(([, reward]) => Number(reward));
    expect(rewards).toHaveLength(20);
    expect(rewards[0]).toBeLessThan(0.3);
    expect(Math.max(...rewards.slice(-3))).toBeGreaterThan(0.8);
  }, 120_000);
});
