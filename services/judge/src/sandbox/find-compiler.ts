/** Looks for compilers where people keep them: in the folders of PATH, in the usual ones, in those of their installers. */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { isMissing, type Machine, thisMachine } from './machine.js';

/** A compiler that works. */
export interface Compiler {
  /** Absolute path of the compiler itself, behind whatever starts it. */
  readonly path: string;
  readonly version: string;
}

/** Where to look. */
export interface Places {
  /** Paths that were set, by language. */
  readonly set?: Readonly<Record<string, string | undefined>>;
  /** Folders of programs to look into before the usual ones. */
  readonly folders?: readonly string[];
  /** Where to keep what compilers need made ready. */
  readonly store?: string;
  /** Sandboxes enter a toolchain's folder as an unprivileged user of this machine, rather than being handed it. */
  readonly walked?: boolean;
}

/** A language's way to be found. */
export interface Search {
  readonly language: string;
  /** The compiler's file name. */
  readonly tool: string;
  /** Folders that it is installed into, beside the usual ones. */
  readonly folders: readonly string[];
  /** What is behind a candidate, or what is wrong with it. */
  readonly ask: (candidate: string, machine: Machine) => Promise<Compiler | string>;
}

const usualFolders = ['/usr/bin', '/usr/local/bin'];

/** The compiler, or what is wrong with what was found: `<path> is missing`, and the like. */
export async function findCompiler(
  search: Search,
  places: Places,
  machine: Machine,
): Promise<Compiler | string> {
  const { language, tool } = search;
  const set = places.set?.[language];
  const folders = [...new Set([...(places.folders ?? []), ...usualFolders, ...search.folders])];
  const candidates = set === undefined ? folders.map((folder) => join(folder, tool)) : [set];
  let trouble = `${set ?? tool} is missing`;
  for (const candidate of candidates) {
    try {
      const found = await search.ask(candidate, machine);
      const wrong = typeof found === 'string' ? found : await whyHidden(found, places, machine);
      if (typeof found !== 'string' && wrong === undefined) return found;
      trouble = `${candidate} ${wrong ?? ''}`;
    } catch (error) {
      if (!isMissing(error)) trouble = `${candidate} does not run`;
    }
  }
  return trouble;
}

/** What a link leads to. */
export async function behind(path: string, machine: Machine): Promise<string> {
  return (await machine.run('/usr/bin/readlink', ['-f', path])).trim();
}

/** The first number in what a tool says of itself, for example `17.0.2` or `21`; empty for none. */
export function versionIn(said: string): string {
  return /\d+(?:\.\d+)*/.exec(said)?.[0] ?? '';
}

/** Whether a version is at least another. */
export function isAtLeast(version: string, oldest: string): boolean {
  const ours = version.split('.').map(Number);
  const theirs = oldest.split('.').map(Number);
  const at = theirs.findIndex((part, index) => part !== (ours[index] ?? 0));
  return at < 0 || (ours[at] ?? 0) > (theirs[at] ?? 0);
}

/** In a folder of the user's own that installers make. */
export function inHome(...parts: readonly string[]): string {
  return join(homedir(), ...parts);
}

/** Programs of a judge that is root run as another user: what that user may not read is of no use to them. */
async function whyHidden(
  { path }: Compiler,
  { walked = false }: Places,
  machine: Machine,
): Promise<string | undefined> {
  if (machine !== thisMachine || process.getuid?.() !== 0) return undefined;
  const home = dirname(dirname(path));
  for (const each of [home, dirname(path), path]) {
    if (((await stat(each)).mode & 5) !== 5) return `is at ${each}, which only its owner may read`;
  }
  if (!walked) return undefined;
  for (let folder = dirname(home); folder !== '/'; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 1) === 0)
      return `is below ${folder}, which sandboxes made by bubblewrap cannot enter`;
  }
  return undefined;
}
