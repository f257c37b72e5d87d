import { describe, expect, it } from '@jest/globals';
import type { Places } from './find-compiler.js';
import { findToolchains, type LanguageName } from './find-toolchains.js';
import { type Machine, missingTool, thisMachine } from './machine.js';
import { NoSandbox } from './sandbox.js';

/** A machine on which these command lines answer, and nothing else is there. */
const machineOf = (answers: Readonly<Record<string, string>>): Machine => ({
  node: '/opt/node/bin/node',
  run: (path, args) => {
    const line = [path, ...args.map((each) => (each.includes(' ') ? '...' : each))].join(' ');
    const answer = answers[line];
    return answer === undefined ? Promise.reject(missingTool(path)) : Promise.resolve(answer);
  },
});
const python = { '/usr/bin/python3 -I -S -c ...': '["cpython", [3, 11, 2], "/usr/bin/python3.11"]' };
const everything = {
  ...python,
  '/usr/bin/g++ -dumpfullversion': '12.2.0\n',
  '/opt/node/bin/node --version': 'v20.19.5\n',
  '/usr/bin/javac -version': 'javac 17.0.15\n',
  '/usr/bin/readlink -f /usr/bin/javac': '/usr/lib/jvm/java-17/bin/javac\n',
  '/usr/lib/jvm/java-17/bin/java -version': '',
  // What rustup puts there starts the compiler of one of its toolchains.
  '/opt/cargo/bin/rustc --print sysroot': '/opt/rustup/stable\n',
  '/usr/bin/readlink -f /opt/rustup/stable/bin/rustc': '/opt/rustup/stable/bin/rustc\n',
  '/opt/rustup/stable/bin/rustc --version': 'rustc 1.95.0 (59807616e 2026-04-14)\n',
  '/usr/bin/gcc --version': 'gcc 12\n',
  '/usr/local/go/bin/go env GOROOT': '/usr/local/go\n',
  '/usr/bin/readlink -f /usr/local/go/bin/go': '/usr/local/go/bin/go\n',
  '/usr/local/go/bin/go version': 'go version go1.26.8 linux/amd64\n',
};
const places: Places = { folders: ['/opt/cargo/bin'] };
const names = async (
  languages: readonly LanguageName[] | undefined,
  machine: Machine,
): Promise<readonly string[]> =>
  (await findToolchains(languages, undefined, machine, places)).map(({ name }) => name);

describe('findToolchains', () => {
  it('finds Python first, then all that is there, behind whatever starts it', async () => {
    const found = await findToolchains(undefined, undefined, machineOf(everything), places);
    expect(found.map(({ name, version, path }) => [name, version, path])).toEqual([
      ['python', '3.11.2', '/usr/bin/python3.11'],
      ['cpp', '12.2.0', '/usr/bin/g++'],
      ['javascript', '20.19.5', '/opt/node/bin/node'],
      ['java', '17.0.15', '/usr/lib/jvm/java-17/bin/javac'],
      ['rust', '1.95.0', '/opt/rustup/stable/bin/rustc'],
      // Go needs a library made for it, which is not done on other machines.
    ]);
    expect(await names(undefined, machineOf(python))).toEqual(['python']);
  });

  it('takes no more than is asked for, and Python always', async () => {
    expect(await names(['javascript', 'rust'], machineOf(everything))).toEqual([
      'python',
      'javascript',
      'rust',
    ]);
    expect(await names([], machineOf(everything))).toEqual(['python']);
  });

  it.each<[LanguageName, Readonly<Record<string, string>>, RegExp]>([
    ['cpp', python, /^No compiler for C\+\+: \/usr\/bin\/g\+\+ is missing\. Install g\+\+ .*leave cpp out/],
    ['java', python, /^No compiler for Java: javac is missing\. Install a JDK .*BACKSIGHT_JUDGE_JAVA/],
    [
      'java',
      { ...everything, '/usr/bin/javac -version': 'javac 10.0.2' },
      /^No compiler for Java: \/usr\/bin\/javac is 10\.0\.2, older than 11\.0\. Install/,
    ],
    ['rust', python, /^No compiler for Rust: rustc is missing\. .*BACKSIGHT_JUDGE_RUST/],
    ['go', python, /^No compiler for Go: go is missing\. .*BACKSIGHT_JUDGE_GO/],
    ['go', everything, /^No compiler for Go: needs its standard library compiled/],
    ['javascript', python, /^No Node\.js: \/opt\/node\/bin\/node is missing/],
  ])('says in one sentence why there is no %s that was asked for', async (language, answers, why) => {
    const error = await findToolchains([language], undefined, machineOf(answers), places).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(NoSandbox);
    expect(String(error)).toMatch(new RegExp(`NoSandbox: ${why.source.slice(1)}`));
  });

  it('refuses a path that was set and leads nowhere, and looks nowhere else', async () => {
    const set = { ...places, set: { rust: '/nowhere/rustc' } };
    await expect(findToolchains(undefined, undefined, machineOf(everything), set)).rejects.toThrow(
      'No compiler for Rust: /nowhere/rustc is missing.',
    );
  });

  it('says of a compiler of Rust that it cannot link', async () => {
    const alone = Object.fromEntries(Object.entries(everything).filter(([line]) => !line.includes('gcc')));
    await expect(findToolchains(['rust'], undefined, machineOf(alone), places)).rejects.toThrow(
      '/opt/cargo/bin/rustc has no /usr/bin/gcc to link with',
    );
  });

  it('says of this machine which kinds of run a language takes', async () => {
    for (const { name, runs, version } of await findToolchains(undefined, undefined, thisMachine)) {
      const interpreted = ['python', 'javascript'].includes(name);
      expect(runs).toEqual(interpreted ? ['stdio', 'call', 'check', 'dialogue'] : ['stdio', 'dialogue']);
      expect(version).toMatch(/^\d+\.\d+/);
    }
  });
});
