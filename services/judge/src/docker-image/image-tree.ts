/** Lays out the file tree of the sandbox's image: toolchains of this machine, and this room's modules. */
import { execFile } from 'node:child_process';
import { copyFile, cp, lstat, mkdir, readlink, realpath, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Toolchain } from '../sandbox/find-toolchains.js';
import {
  isModule,
  moduleFolders,
  modulesDigest,
  roomFolder,
  type SandboxImage,
} from '../sandbox/docker/image.js';
import { filesOf, withoutLinkedFolders } from './toolchain-files.js';

const run = promisify(execFile);
/** Folders that many systems keep as links into /usr. */
const linked = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];
const mountPoints = ['dev', 'etc', 'proc', 'sys', 'tmp'];

/** Makes the tree in an empty folder; what the image says of itself. */
export async function layOut(folder: string, toolchains: readonly Toolchain[]): Promise<SandboxImage> {
  for (const name of mountPoints) await mkdir(join(folder, name), { recursive: true });
  for (const name of linked) await copyLink(`/${name}`, join(folder, name));
  const laid = new Set<string>();
  for (const toolchain of toolchains)
    for (const file of await filesOf(toolchain)) await lay(file, folder, laid);
  // By this name the judge starts it, wherever it is.
  const [python] = toolchains;
  const alias = join(folder, 'usr/bin/python3');
  if (python !== undefined && !(await exists(alias))) {
    await mkdir(dirname(alias), { recursive: true });
    await symlink(await realpath(python.path), alias);
  }
  for (const name of moduleFolders)
    await cp(join(roomFolder, name), join(folder, 'judge', name), {
      recursive: true,
      filter: (source) => source === join(roomFolder, name) || isModule(source),
    });
  if (python !== undefined) await compileModules(python.path, join(folder, 'judge/python'));
  const image: SandboxImage = {
    modules: await modulesDigest(),
    toolchains: toolchains.map(({ runs, ...rest }) => ({ ...rest, runs: [...runs] })),
  };
  await writeFile(join(folder, 'judge/image.json'), `${JSON.stringify(image, undefined, 2)}\n`);
  return image;
}

/** Compiles them beside themselves: a slot starts in half the time, and with less memory for its sandboxes to copy. */
async function compileModules(python: string, folder: string): Promise<void> {
  const how = ['--invalidation-mode', 'unchecked-hash', '-q', '-d', '/judge/python'];
  await run(python, ['-I', '-S', '-m', 'compileall', ...how, folder], { env: {} });
}

/** Copies a file to where it really is, and the links on the way to it. */
async function lay(path: string, folder: string, laid: Set<string>): Promise<void> {
  const place = await withoutLinkedFolders(path).catch(() => path);
  if (laid.has(place)) return;
  laid.add(place);
  const stat = await lstat(place).catch(() => undefined);
  if (stat === undefined || stat.isDirectory()) return;
  const target = join(folder, place);
  await mkdir(dirname(target), { recursive: true });
  if (stat.isSymbolicLink()) {
    await lay(resolve(dirname(place), await readlink(place)), folder, laid);
    await symlink(await readlink(place), target);
  } else {
    await copyFile(place, target);
    // Python takes a compiled module for its source's only as long as their times say so.
    await utimes(target, stat.atime, stat.mtime);
  }
}

/** Copies a path if it is a link, and makes the folder that it leads to. */
async function copyLink(path: string, target: string): Promise<void> {
  const aim = await readlink(path).catch(() => undefined);
  if (aim === undefined) return;
  await mkdir(resolve(dirname(target), aim.replace(/^\//, '')), { recursive: true });
  await symlink(aim, target);
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
