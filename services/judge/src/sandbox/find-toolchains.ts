/** Finds what runs or compiles the programs of each language on this machine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findPython } from './find-python.js';
import { NoSandbox, type SandboxLanguage } from './sandbox.js';

/** A language and the tool behind it. */
export interface Toolchain extends SandboxLanguage {
  /** Absolute path of the interpreter or compiler. */
  readonly path: string;
}

/** Every language there is. */
export const languageNames = ['python', 'cpp', 'javascript'] as const;
export type LanguageName = (typeof languageNames)[number];

const run = promisify(execFile);
const compiler = '/usr/bin/g++';
/** The oldest that knows C++20. */
const oldestCompiler = 10;

/**
 * The toolchains of the languages, Python always among them: every sandbox is one. Without a list, all that are found.
 * Throws NoSandbox, with one sentence, when one that is asked for is missing.
 */
export async function findToolchains(
  languages: readonly LanguageName[] | undefined,
  pythonPath: string | undefined,
): Promise<readonly Toolchain[]> {
  const python = await findPython(pythonPath);
  const wanted = languages ?? languageNames;
  const found: Toolchain[] = [{ name: 'python', ...python, runs: ['stdio', 'call', 'check'] }];
  if (wanted.includes('cpp')) {
    const cpp = await findCompiler(compiler);
    if (typeof cpp !== 'string') found.push(cpp);
    else if (languages !== undefined) throw new NoSandbox(missingCompiler(cpp));
  }
  if (wanted.includes('javascript')) {
    const { execPath: path, versions } = process;
    found.push({ name: 'javascript', version: versions.node, path, runs: ['stdio', 'call', 'check'] });
  }
  return found;
}

/** The compiler, or what is wrong with it. */
async function findCompiler(path: string): Promise<Toolchain | string> {
  try {
    const { stdout } = await run(path, ['-dumpfullversion'], { timeout: 10_000, env: {} });
    const version = stdout.trim();
    if (Number.parseInt(version, 10) < oldestCompiler) return `is ${version}, older than ${oldestCompiler}`;
    return { name: 'cpp', version, path, runs: ['stdio'] };
  } catch (error) {
    const gone = typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
    return gone ? 'is missing' : 'does not run';
  }
}

function missingCompiler(why: string): string {
  return (
    `No compiler for C++: ${compiler} ${why}. Install g++ (Debian: apt-get install g++), ` +
    'or leave cpp out of BACKSIGHT_JUDGE_LANGUAGES.'
  );
}
