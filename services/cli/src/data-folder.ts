/** The folder that a house keeps its data in: made and tried before anything is started. */
import { mkdir, stat, statfs, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { plainly, UserError } from './user-error.js';

/**
 * Makes the folder, which must be writable and have so many bytes free. Throws a UserError that names the folder and the
 * option that chooses another.
 */
export async function makeDataFolder(path: string, neededBytes: number, option: string): Promise<void> {
  const another = `Choose another folder with ${option}`;
  try {
    await makeFolder(resolve(path));
    const trial = join(path, '.backsight-trial');
    await writeFile(trial, '');
    await unlink(trial);
  } catch (error) {
    throw new UserError(`The folder ${path} cannot be written to: ${plainly(error)}. ${another}.`);
  }
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  if (free < neededBytes) {
    throw new UserError(
      `The disk that holds ${path} has ${Math.floor(free / 1e6)} MB free; ${neededBytes / 1e6} MB are needed. Free some space or choose another folder with ${option}.`,
    );
  }
}

/** Level by level: Node's own recursion never ends where a folder refuses children by ENOENT, as /proc does. */
async function makeFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  if (dirname(path) !== path && found === undefined) await makeFolder(dirname(path));
  await mkdir(path);
}
