import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { ApiError } from './api-error.js';
import { inspectRunner } from './inspect-runner.js';
import { testRunner } from './kubernetes-candidate.js';
import type { ExecEnd, PodExec } from './pod-exec.js';

const { signal } = new AbortController();
const nobody: ExecEnd = { kind: 'exited', code: 127 };

/** A runner in which tools print these, by their last word, and others are missing. */
const runnerWith = (outputs: Readonly<Record<string, string>>) => ({
  exec: (command: readonly string[]): Promise<PodExec> => {
    const said = Object.entries(outputs).find(([word]) => command.at(-1)?.includes(word))?.[1];
    const stdout = new PassThrough();
    stdout.end(said ?? '');
    return Promise.resolve({
      stdin: new PassThrough(),
      stdout,
      stderr: new PassThrough(),
      ended: Promise.resolve<ExecEnd>(said === undefined ? nobody : { kind: 'exited', code: 0 }),
      over: true,
      drop: () => undefined,
    });
  },
});
const python = { version_info: '["cpython", [3, 11, 2], "/usr/bin/python3.11"]' };

describe('inspectRunner', () => {
  it('finds what the image has, and nothing of this machine', async () => {
    const inside = await inspectRunner(
      runnerWith({ ...python, '--version': 'v20.19.5\n', 'uname()': '#1 SMP\n' }),
      testRunner,
      undefined,
      signal,
    );
    expect(inside.toolchains).toMatchObject([
      { name: 'python', version: '3.11.2', path: '/usr/bin/python3.11' },
      { name: 'javascript', version: '20.19.5', path: '/usr/local/bin/node' },
    ]);
    expect(inside.ownKernel).toBe(false);
  });

  it('knows gVisor’s kernel by what it calls itself', async () => {
    const gvisor = { ...python, 'uname()': '#1 SMP Sun Jan 10 15:06:54 PST 2016\n' };
    expect((await inspectRunner(runnerWith(gvisor), testRunner, ['python'], signal)).ownKernel).toBe(true);
  });

  it('names the image that lacks what is asked for', async () => {
    const uname = { 'uname()': '#1 SMP\n' };
    await expect(inspectRunner(runnerWith(uname), testRunner, undefined, signal)).rejects.toThrow(
      /^Image backsight\/judge:local cannot run programs: No Python .* is missing/,
    );
    await expect(
      inspectRunner(runnerWith({ ...python, ...uname }), testRunner, ['python', 'cpp'], signal),
    ).rejects.toThrow(/^Image backsight\/judge:local cannot run programs: No compiler for C\+\+/);
  });

  it('does not blame the image for what the cluster refuses', async () => {
    const refused = new ApiError('The judge may not get pods/exec', 403, undefined);
    const refusing = { exec: () => Promise.reject(refused) };
    await expect(inspectRunner(refusing, testRunner, undefined, signal)).rejects.toBe(refused);
  });
});
