/** What of this machine a toolchain needs to run elsewhere: its files, found by the loader and by Debian's packages. */
import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Toolchain } from '../sandbox/find-toolchains.js';

const run = promisify(execFile);
const mostOutput = 1 << 26;

/** Absolute paths of files, folders and links. */
export async function filesOf({ name, path }: Toolchain): Promise<readonly string[]> {
  switch (name) {
    case 'python':
      return pythonFiles(path);
    case 'javascript':
      return [path, ...(await librariesOf([path]))];
    default:
      return packagedFiles(path);
  }
}

/** The interpreter under both its names, its standard library, and the libraries that either is linked to. */
async function pythonFiles(path: string): Promise<readonly string[]> {
  const question = 'import os; print(os.path.dirname(os.__file__))';
  const library = (await output(path, ['-I', '-S', '-c', question])).trim();
  const modules = (await output('find', [library, '-type', 'f', '-o', '-type', 'l'])).trim().split('\n');
  const kept = modules.filter((file) => !neverImported.test(file.slice(library.length)));
  const extensions = kept.filter((file) => /\.so(\.|$)/.test(file));
  return [path, ...kept, ...(await librariesOf([path, ...extensions]))];
}

/** Tests, graphical toolkits, installers, and what C programs need to embed Python. */
const neverImported =
  /^\/(?:test|idlelib|tkinter|turtledemo|turtle\.py|ensurepip|lib2to3|config-[^/]*|(?:site|dist)-packages)(?:\/|$)|\/tests?\//;

/** What the loader maps for them, and the loader itself. */
async function librariesOf(programs: readonly string[]): Promise<readonly string[]> {
  const said = await output('ldd', programs);
  return [...new Set([...said.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path = '']) => path))];
}

/** All files of the package that holds this program, and of those that it depends on, without their documentation. */
async function packagedFiles(path: string): Promise<readonly string[]> {
  const real = await realpath(path);
  const owner = /^([^:\s]+):/.exec(await output('dpkg-query', ['--search', real]))?.[1];
  const packages = [...(await dependencies(owner ?? ''))];
  const files = (await output('dpkg-query', ['--listfiles', ...packages])).split('\n');
  const kept = files.filter((file) => /^\/(?:usr\/)?(?:bin|s?bin|lib|lib64|libexec|include)\//.test(file));
  return [path, ...kept.filter((file) => !neverRun.test(file))];
}

/** Optimizing while linking, sanitizers, other languages' compilers, and other linkers. */
const neverRun =
  /\/(?:lto1|lto-dump|cc1|lib[a-z]?san[^/]*|sanitizer|gdb|[^/]*gold|[^/]*dwp|[^/]*gp-[^/]*)(?:\/|$)/;

/** Names of installed packages, this one and what it depends on, however far. */
async function dependencies(first: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  let next = [first];
  while (next.length > 0) {
    for (const name of next) found.add(name);
    const format = '${Depends}, ${Pre-Depends}\n';
    const said = await output('dpkg-query', ['--show', `--showformat=${format}`, ...next]);
    const names = said.split(/[,|\n]/).map((text) => /[a-z0-9][a-z0-9+.-]+/.exec(text)?.[0] ?? '');
    next = await installed([...new Set(names)].filter((name) => name !== '' && !found.has(name)));
  }
  return found;
}

/** Those of them that are installed: others stand for alternatives, or for what another package provides. */
async function installed(names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return []; // asked about none, dpkg-query tells of all
  const format = '${db:Status-Abbrev}${Package}\n';
  const said = await output('dpkg-query', ['--show', `--showformat=${format}`, ...names]);
  return said
    .split('\n')
    .filter((line) => line.startsWith('ii'))
    .map((line) => line.slice(2).trim());
}

/** What a tool prints; it may complain of a part of what it was asked. */
async function output(tool: string, parameters: readonly string[]): Promise<string> {
  try {
    return (await run(tool, [...parameters], { maxBuffer: mostOutput, env: { PATH: searched, LANG: 'C' } }))
      .stdout;
  } catch (error) {
    const said: unknown = error instanceof Error && 'stdout' in error ? error.stdout : undefined;
    if (typeof said === 'string' && said !== '') return said;
    throw error;
  }
}

const searched = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'].join(':');

/** Where a path really lies, with the folders that are links resolved, but not the last part. */
export async function withoutLinkedFolders(path: string): Promise<string> {
  return join(await realpath(dirname(path)), path.slice(dirname(path).length));
}
