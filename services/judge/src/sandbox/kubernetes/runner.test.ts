import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ownPythonFolder } from '../slot-channel.js';

const python = '/usr/bin/python3';
const script = join(ownPythonFolder, 'runner.py');
let folder = '';
let lock = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backsight-runner-'));
  lock = join(folder, 'slots.lock');
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const keep = (seconds: number) => spawn(python, ['-I', '-S', '-B', script, 'keep', lock, String(seconds)]);

describe('python/runner.py', () => {
  it('ends the pod once no slot has been in it for so long, and not before', async () => {
    const first = keep(0.5);
    const settings = {
      isolation: 'none',
      user: 0,
      language: 'python',
      toolchains: { python },
      bubblewrap: '',
    };
    const slot = spawn(python, ['-I', '-S', '-B', script, 'slot', lock, '{}', JSON.stringify(settings)]);
    slot.stderr.resume();
    await once(slot.stdout, 'data'); // its greeting
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(first.exitCode).toBeNull();
    const ended = once(first, 'exit');
    slot.stdin.end(); // as when its judge is dead
    expect(await ended).toEqual([0, null]);
  });

  it('gives slots the environment that it is told, and none of the pod’s', async () => {
    const child = spawn(
      python,
      ['-I', '-S', '-B', '-c', spying, script, 'slot', lock, '{"HOME": "/tmp"}', '{}'],
      { env: { KUBERNETES_SERVICE_HOST: '10.96.0.1' } },
    );
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    expect(JSON.parse(said.toString())).toEqual({ HOME: '/tmp' });
  });

  it('ends at once when it is told to', async () => {
    const child = keep(60);
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

/** Runs a script with arguments, and prints the environment that it would become a program with. */
const spying = `
import json, os, runpy, sys
os.execve = lambda path, command, environment: print(json.dumps(environment))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
`;
