/** How the compilers of Java, Rust and Go are found, and what is behind what starts them. */
import { dirname, join } from 'node:path';
import { behind, inHome, isAtLeast, type Search, versionIn } from './find-compiler.js';

/** Adds what is too old to what is wrong. */
function ifNew(path: string, version: string, oldest: string) {
  return isAtLeast(version, oldest) ? { path, version } : `is ${version}, older than ${oldest}`;
}

export const javaSearch = {
  language: 'java',
  tool: 'javac',
  folders: ['/usr/lib/jvm/default-java/bin', inHome('.sdkman/candidates/java/current/bin')],
  ask: async (candidate, machine) => {
    const version = versionIn(await machine.run(candidate, ['-version']));
    const path = await behind(candidate, machine);
    await machine.run(join(dirname(path), 'java'), ['-version']);
    return ifNew(path, version, '11.0');
  },
} as const satisfies Search;

export const rustSearch = {
  language: 'rust',
  tool: 'rustc',
  folders: [inHome('.cargo/bin')],
  ask: async (candidate, machine) => {
    // rustup's rustc starts that of a toolchain, which no sandbox has the files to choose.
    const sysroot = (await machine.run(candidate, ['--print', 'sysroot'])).trim();
    const path = await behind(join(sysroot, 'bin/rustc'), machine);
    try {
      await machine.run('/usr/bin/gcc', ['--version']);
    } catch {
      return 'has no /usr/bin/gcc to link with (Debian: apt-get install gcc)';
    }
    return ifNew(path, versionIn(await machine.run(path, ['--version'])), '1.60');
  },
} as const satisfies Search;

export const goSearch = {
  language: 'go',
  tool: 'go',
  folders: ['/usr/local/go/bin', '/usr/lib/go/bin', inHome('go/bin')],
  ask: async (candidate, machine) => {
    const home = (await machine.run(candidate, ['env', 'GOROOT'])).trim();
    const path = await behind(join(home, 'bin/go'), machine);
    return ifNew(path, versionIn(await machine.run(path, ['version'])), '1.20');
  },
} as const satisfies Search;
