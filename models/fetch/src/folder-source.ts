import { copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkModelFolder } from '@backsight/engine';
import type { ReportProgress } from './progress.js';
import { append, bytesOf } from './transfer.js';

/** Copies what belongs to a checked model folder into another, and nothing else that lies in it. */
export async function copyFolder(
  folder: string,
  into: string,
  progress: ReportProgress,
  signal: AbortSignal,
): Promise<void> {
  const { texts, weightFiles } = await checkModelFolder(folder);
  const licences = (await readdir(folder)).filter((name) => /^licen[cs]e/i.test(name));
  const small = [
    ...Object.keys(texts.files),
    ...licences,
    ...weightFiles.filter((name) => name.endsWith('.json')),
  ];
  for (const name of small) await copyFile(join(folder, name), join(into, name));
  const large = weightFiles.filter((name) => !name.endsWith('.json'));
  const sizes = await Promise.all(large.map(async (name) => (await stat(join(folder, name))).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  for (const name of large)
    await append(join(into, name), bytesOf(join(folder, name)), signal, (bytes) => {
      done += bytes;
      progress({ stage: 'copy', what: name, done, total });
    });
}
