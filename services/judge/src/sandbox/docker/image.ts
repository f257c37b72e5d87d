/** What the sandbox's image says of itself: the toolchains in it, and which of this room's modules. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { SandboxRun } from '../sandbox.js';
import { ownPythonFolder } from '../slot-channel.js';

export const imageSchema = z.object({
  /** Of the modules, as `modulesDigest` has it. */
  modules: z.string(),
  /** Python's first. */
  toolchains: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      /** In the image. */
      path: z.string(),
      runs: z.array(z.custom<SandboxRun['kind']>((kind) => typeof kind === 'string')),
    }),
  ),
});

/** As the file `/judge/image.json` has it. */
export type SandboxImage = z.infer<typeof imageSchema>;

/** Languages whose toolchains an image can hold: with the others it would be several times as large. */
export const imageLanguages: readonly string[] = ['python', 'cpp', 'javascript'];

/** The folders of this room that an image holds, below `/judge`. */
export const moduleFolders = ['python', 'javascript'] as const;

/** The room that they are in, on this machine. */
export const roomFolder = dirname(ownPythonFolder);

/** SHA-256 over the modules that run inside a sandbox: an image made by another version has another. */
export async function modulesDigest(room = roomFolder): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of moduleFolders) {
    const names = (await readdir(join(room, folder))).filter(isModule).sort();
    for (const name of names) {
      hash.update(`${folder}/${name}\0`);
      hash.update(
        createHash('sha256')
          .update(await readFile(join(room, folder, name)))
          .digest(),
      );
    }
  }
  return hash.digest('hex');
}

/** Whether a file of those folders is one of the modules. */
export function isModule(name: string): boolean {
  return /\.(?:py|cjs)$/.test(name);
}
