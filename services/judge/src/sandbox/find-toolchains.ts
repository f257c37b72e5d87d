/** Finds what runs or compiles the programs of each language on a machine. */
import { goSearch, javaSearch, rustSearch } from './compilers.js';
import { findCompiler, type Places, type Search } from './find-compiler.js';
import { findPython } from './find-python.js';
import { goStore, makeGoLibrary } from './go-library.js';
import { isMissing, type Machine, thisMachine } from './machine.js';
import { NoSandbox, type SandboxLanguage } from './sandbox.js';

/** A language and the tool behind it. */
export interface Toolchain extends SandboxLanguage {
  /** Absolute path of the interpreter or compiler. */
  readonly path: string;
  /** Folder of what the compiler needs made ready, once `ready` has settled. */
  readonly store?: string;
  /** To be waited for before the first program; may take a while once, and says why it failed. */
  readonly ready?: () => Promise<void>;
}

/** Every language there is. */
export const languageNames = ['python', 'cpp', 'javascript', 'java', 'rust', 'go'] as const;
export type LanguageName = (typeof languageNames)[number];

const compiler = '/usr/bin/g++';
/** The oldest that knows C++20. */
const oldestCompiler = 10;

/**
 * The toolchains of the languages, Python always among them: every sandbox is one. Without a list, all that are found.
 * Throws NoSandbox, with one sentence, when one is missing that is asked for, by name or by where it is.
 */
export async function findToolchains(
  languages: readonly LanguageName[] | undefined,
  pythonPath: string | undefined,
  machine: Machine = thisMachine,
  places: Places = {},
): Promise<readonly Toolchain[]> {
  const python = await findPython(pythonPath, machine);
  const wanted = languages ?? languageNames;
  const found: Toolchain[] = [{ name: 'python', ...python, runs: interpreted }];
  if (wanted.includes('cpp')) {
    const cpp = await findGcc(compiler, machine);
    if (typeof cpp !== 'string') found.push(cpp);
    else if (languages !== undefined)
      throw new NoSandbox(missing('C++', `${compiler} ${cpp}`, 'g++ (Debian: apt-get install g++)', 'cpp'));
  }
  if (wanted.includes('javascript')) {
    const { node: path } = machine;
    const version = machine === thisMachine ? process.versions.node : await versionOfNode(machine);
    if (version !== undefined) found.push({ name: 'javascript', version, path, runs: interpreted });
    else if (languages !== undefined) throw new NoSandbox(`No Node.js: ${path} is missing or does not run.`);
  }
  const others = await Promise.all(
    compiled
      .filter(({ search }) => wanted.includes(search.language))
      .map(async ({ search, name, install, make }) => {
        const made = await make(await findCompiler(search, places, machine), places, machine);
        if (typeof made !== 'string') return [made];
        if (languages === undefined && places.set?.[search.language] === undefined) return [];
        throw new NoSandbox(missing(name, made, install, search.language));
      }),
  );
  return [...found, ...others.flat()];
}

const interpreted = ['stdio', 'call', 'check', 'dialogue'] as const;
const compiledRuns = ['stdio', 'dialogue'] as const;

interface CompiledLanguage {
  readonly search: Search & { readonly language: LanguageName };
  /** For people. */
  readonly name: string;
  /** To complete "Install ...". */
  readonly install: string;
  /** The toolchain around a compiler that was found; a string says what is wrong. */
  readonly make: (
    found: Awaited<ReturnType<typeof findCompiler>>,
    places: Places,
    machine: Machine,
  ) => Promise<Toolchain | string>;
}

const plain =
  (name: LanguageName): CompiledLanguage['make'] =>
  (found) =>
    Promise.resolve(typeof found === 'string' ? found : { name, ...found, runs: compiledRuns });

const compiled: readonly CompiledLanguage[] = [
  {
    search: javaSearch,
    name: 'Java',
    install: 'a JDK (Debian: apt-get install default-jdk-headless), set BACKSIGHT_JUDGE_JAVA to its javac',
    make: plain('java'),
  },
  {
    search: rustSearch,
    name: 'Rust',
    install: 'rustc (Debian: apt-get install rustc), set BACKSIGHT_JUDGE_RUST to it',
    make: plain('rust'),
  },
  {
    search: goSearch,
    name: 'Go',
    install: 'go (Debian: apt-get install golang-go), set BACKSIGHT_JUDGE_GO to it',
    make: makeGo,
  },
];

async function makeGo(
  found: Awaited<ReturnType<typeof findCompiler>>,
  { store: parent }: Places,
  machine: Machine,
): Promise<Toolchain | string> {
  if (typeof found === 'string') return found;
  if (machine !== thisMachine || parent === undefined)
    return 'needs its standard library compiled, which is done for sandboxes of this machine alone';
  try {
    const store = await goStore(parent, found.version);
    return { name: 'go', ...found, runs: compiledRuns, store, ready: () => makeGoLibrary(found.path, store) };
  } catch (error) {
    return `has nowhere to keep its compiled standard library (${String(error)}); set BACKSIGHT_JUDGE_STORE to a folder`;
  }
}

/** The compiler, or what is wrong with it. */
async function findGcc(path: string, machine: Machine): Promise<Toolchain | string> {
  try {
    const version = (await machine.run(path, ['-dumpfullversion'])).trim();
    if (Number.parseInt(version, 10) < oldestCompiler) return `is ${version}, older than ${oldestCompiler}`;
    return { name: 'cpp', version, path, runs: compiledRuns };
  } catch (error) {
    return isMissing(error) ? 'is missing' : 'does not run';
  }
}

/** For example `20.19.5`; undefined where there is none. */
async function versionOfNode({ run, node }: Machine): Promise<string | undefined> {
  const said = await run(node, ['--version']).catch(() => '');
  return /^v(\d+\.\d+\.\d+)\s*$/.exec(said)?.[1];
}

function missing(name: string, why: string, install: string, language: LanguageName): string {
  return `No compiler for ${name}: ${why}. Install ${install}, or leave ${language} out of BACKSIGHT_JUDGE_LANGUAGES.`;
}
