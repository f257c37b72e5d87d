/** Looks into a runner pod: which toolchains its image has, and whose kernel it runs on. */
import type { Readable } from 'node:stream';
import { findToolchains, type LanguageName, type Toolchain } from '../find-toolchains.js';
import { type Machine, missingTool } from '../machine.js';
import { NoSandbox, SandboxFailure } from '../sandbox.js';
import { ApiError } from './api-error.js';
import type { Runner } from './runner.js';
import type { RunnerOptions } from './runner-pod.js';

/** What runner pods have. */
export interface RunnerInside {
  /** Python's first. */
  readonly toolchains: readonly Toolchain[];
  /** Whether the kernel under its programs is known to be another than the node's. */
  readonly ownKernel: boolean;
}

const longestMs = 30_000;
const longestOutput = 1 << 16;

/** Asks a runner that was just created. Throws NoSandbox when its image lacks what it needs. */
export async function inspectRunner(
  runner: Pick<Runner, 'exec'>,
  { python, node, image }: Pick<RunnerOptions, 'python' | 'node' | 'image'>,
  languages: readonly LanguageName[] | undefined,
  signal: AbortSignal,
): Promise<RunnerInside> {
  /** What kept a question from being asked says nothing about the image. */
  let failure: ApiError | SandboxFailure | undefined;
  const machine: Machine = {
    node,
    run: (path, args) =>
      output(runner, [path, ...args], signal).catch((error: unknown) => {
        if (error instanceof ApiError || error instanceof SandboxFailure) failure ??= error;
        throw error;
      }),
  };
  try {
    const toolchains = await findToolchains(languages, python, machine);
    const kernel = await machine.run(python, ['-I', '-S', '-c', 'import os; print(os.uname().version)']);
    return { toolchains, ownKernel: isGvisor(kernel) };
  } catch (error) {
    signal.throwIfAborted();
    if (failure !== undefined) throw failure;
    if (error instanceof NoSandbox)
      throw new NoSandbox(`Image ${image} cannot run programs: ${error.message}`, { cause: error });
    throw error;
  }
}

/**
 * What gVisor's kernel calls itself, in every release. Other runtimes with a kernel of their own cannot be told from
 * inside, and count as containers.
 */
function isGvisor(version: string): boolean {
  return version.trim() === '#1 SMP Sun Jan 10 15:06:54 PST 2016';
}

/** What a command in the pod prints. */
async function output(
  runner: Pick<Runner, 'exec'>,
  command: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const exec = await runner.exec(['/usr/bin/env', '-i', ...command], signal);
  const timer = setTimeout(() => {
    exec.drop();
  }, longestMs);
  try {
    exec.stdin.end();
    exec.stderr.resume();
    const said = await textOf(exec.stdout);
    const end = await exec.ended;
    if (end.kind === 'lost') throw new SandboxFailure(`${command.join(' ')} was lost: ${end.why}`);
    if (end.code === 127) throw missingTool(command[0] ?? '');
    if (end.code !== 0) throw new Error(`${command[0] ?? ''} exited with ${end.code}`);
    return said;
  } finally {
    clearTimeout(timer);
    exec.drop();
  }
}

async function textOf(stream: Readable): Promise<string> {
  let said = '';
  for await (const chunk of stream) {
    said += String(chunk);
    if (said.length > longestOutput) throw new SandboxFailure('a tool of the pod prints without end');
  }
  return said;
}
