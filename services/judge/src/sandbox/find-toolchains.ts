/** Finds what runs or compiles the programs of each language on a machine. */
import { findPython } from './find-python.js';
import { isMissing, type Machine, thisMachine } from './machine.js';
import { NoSandbox, type SandboxLanguage } from './sandbox.js';

/** A language and the tool behind it. */
export interface Toolchain extends SandboxLanguage {
  /** Absolute path of the interpreter or compiler. */
  readonly path: string;
}

/** Every language there is. */
export const languageNames = ['python', 'cpp', 'javascript'] as const;
export type LanguageName = (typeof languageNames)[number];

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
  machine: Machine = thisMachine,
): Promise<readonly Toolchain[]> {
  const python = await findPython(pythonPath, machine);
  const wanted = languages ?? languageNames;
  const found: Toolchain[] = [{ name: 'python', ...python, runs: ['stdio', 'call', 'check'] }];
  if (wanted.includes('cpp')) {
    const cpp = await findCompiler(compiler, machine);
    if (typeof cpp !== 'string') found.push(cpp);
    else if (languages !== undefined) throw new NoSandbox(missingCompiler(cpp));
  }
  if (wanted.includes('javascript')) {
    const { node: path } = machine;
    const version = machine === thisMachine ? process.versions.node : await versionOfNode(machine);
    if (version !== undefined)
      found.push({ name: 'javascript', version, path, runs: ['stdio', 'call', 'check'] });
    else if (languages !== undefined) throw new NoSandbox(`No Node.js: ${path} is missing or does not run.`);
  }
  return found;
}

/** The compiler, or what is wrong with it. */
async function findCompiler(path: string, machine: Machine): Promise<Toolchain | string> {
  try {
    const version = (await machine.run(path, ['-dumpfullversion'])).trim();
    if (Number.parseInt(version, 10) < oldestCompiler) return `is ${version}, older than ${oldestCompiler}`;
    return { name: 'cpp', version, path, runs: ['stdio'] };
  } catch (error) {
    return isMissing(error) ? 'is missing' : 'does not run';
  }
}

/** For example `20.19.5`; undefined where there is none. */
async function versionOfNode({ run, node }: Machine): Promise<string | undefined> {
  const said = await run(node, ['--version']).catch(() => '');
  return /^v(\d+\.\d+\.\d+)\s*$/.exec(said)?.[1];
}

function missingCompiler(why: string): string {
  return (
    `No compiler for C++: ${compiler} ${why}. Install g++ (Debian: apt-get install g++), ` +
    'or leave cpp out of BACKSIGHT_JUDGE_LANGUAGES.'
  );
}
