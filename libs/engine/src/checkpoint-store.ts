import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  formatManifest,
  parseManifest,
  stateParts,
  type CheckpointManifest,
  type StatePart,
} from './checkpoint-manifest.js';
import type { CheckpointInfo } from './engine.js';
import { CheckpointError, EngineInputError } from './errors.js';
import { errorCode, fileError } from './file-error.js';
import { readText, type JsonObject } from './json.js';
import { writeNewFile, writeSafetensors, type WrittenFile } from './safetensors.js';
import { readWeightFiles } from './weight-files.js';
import type { TensorTable, WeightSet } from './weights.js';

/** Everything a policy needs to go on exactly where it was. Moments are of what is trained, which may be an adapter. */
export interface PolicyState extends Readonly<Partial<Record<StatePart, WeightSet>>> {
  /** Optimizer steps the weights have taken since they were first loaded. */
  readonly version: number;
  /** Steps that AdamW's bias correction counts. */
  readonly optimizerSteps: number;
  readonly weights: WeightSet;
  /** What else an engine keeps, as JSON. */
  readonly extra: JsonObject;
}

/** Which checkpoints a store keeps; both absent: all. */
export interface Retention {
  /** So many of the newest, at least 1. */
  readonly last?: number;
  /** So many of those with the highest scores; of equal ones the newest. */
  readonly best?: number;
}

/** The name of the weights an engine was started with; no checkpoint may take it. */
export const initialCheckpoint = 'initial';

/**
 * Named checkpoints in one folder, which one process writes at a time.
 *
 * A checkpoint exists once its manifest `<name>.json` does, which an atomic rename puts there after the data folder
 * `<name>@<id>` is on the disk: a crash at any moment leaves the checkpoint of that name as it was before.
 */
export class CheckpointStore {
  constructor(readonly folder: string) {}

  /** What crashed saves left is removed before the first save, and not by who only reads: a follower shares its trainer's folder. */
  private swept: Promise<void> | undefined;

  /** Writes a checkpoint, replacing one of the same name. On an error nothing is left behind and the previous one stays. */
  async save(name: string, state: PolicyState, score?: number): Promise<CheckpointInfo> {
    requireName(name);
    const dataFolder = `${name}@${randomBytes(6).toString('hex')}`;
    const manifestPart = join(this.folder, `.${dataFolder}.json`);
    try {
      await (this.swept ??= this.sweep().catch((error: unknown) => this.unswept(error)));
      await mkdir(join(this.folder, dataFolder), { recursive: true });
      const manifest = await this.writeData(name, dataFolder, state, score);
      await writeNewFile(manifestPart, [Buffer.from(formatManifest(manifest))]);
      await rename(manifestPart, this.manifestPath(name));
      await syncFolder(this.folder);
      await this.removeOlder(name, dataFolder);
      return infoOf(manifest);
    } catch (error) {
      await this.removeUnpublished(name, dataFolder, manifestPart);
      throw fileError(join(this.folder, name), error);
    }
  }

  /** Reads a checkpoint into new memory after verifying every checksum and every shape against a table per part. */
  async load(name: string, tableOf: (part: StatePart) => TensorTable): Promise<PolicyState> {
    requireName(name);
    const manifest = await this.readManifest(name);
    const sets: Partial<Record<StatePart, WeightSet>> = {};
    for (const part of stateParts) {
      const written = manifest.files[part];
      if (written === undefined) continue;
      const path = this.dataPath(manifest.folder, part);
      await verify(path, written);
      sets[part] = await readWeightFiles([path], tableOf(part));
    }
    const { weights } = sets;
    if (weights === undefined)
      throw new CheckpointError({
        reason: 'invalid',
        file: this.manifestPath(name),
        problem: 'names no weights',
      });
    const { version, optimizerSteps, extra } = manifest;
    return { ...sets, weights, version, optimizerSteps, extra };
  }

  /** One checkpoint's description; throws `CheckpointError` with reason `missing` when there is none of that name. */
  async describe(name: string): Promise<CheckpointInfo> {
    requireName(name);
    return infoOf(await this.readManifest(name));
  }

  /** The parts that a checkpoint holds; throws as `describe` does. */
  async parts(name: string): Promise<ReadonlySet<StatePart>> {
    requireName(name);
    const { files } = await this.readManifest(name);
    return new Set(stateParts.filter((part) => files[part] !== undefined));
  }

  /** All checkpoints, newest first. */
  async list(): Promise<readonly CheckpointInfo[]> {
    const found: CheckpointInfo[] = [];
    for (const entry of await entriesOf(this.folder)) {
      if (!entry.endsWith('.json') || checkpointNameViolation(entry.slice(0, -5)) !== undefined) continue;
      try {
        found.push(infoOf(await this.readManifest(entry.slice(0, -5))));
      } catch (error) {
        // Any other JSON file of the folder is no checkpoint.
        if (!(error instanceof CheckpointError)) throw error;
      }
    }
    return found.sort((a, b) => b.createdAtMs - a.createdAtMs || (a.name < b.name ? -1 : 1));
  }

  /**
   * Removes what crashed saves left, while no other process writes the folder. Data whose manifest cannot be read, being
   * damaged or of a later format, is nobody's to remove.
   */
  async sweep(): Promise<void> {
    const kept = new Set<string>();
    for (const { name } of await this.list()) kept.add((await this.readManifest(name)).folder);
    for (const entry of await entriesOf(this.folder)) {
      const unpublished =
        isDataFolder(entry) && !kept.has(entry) && !(await this.isUnreadable(nameOf(entry)));
      if (unpublished || isManifestPart(entry)) await this.remove(entry);
    }
  }

  private unswept(error: unknown): never {
    this.swept = undefined;
    throw error;
  }

  /** Removes what the retention does not keep, oldest first; the newest always stays. */
  async retain({ last, best }: Retention): Promise<readonly string[]> {
    if (last === undefined && best === undefined) return [];
    const all = await this.list();
    const ranked = all
      .filter(({ score }) => score !== undefined)
      // Sorting is stable, and `all` has the newest first.
      .sort((a, b) => (b.score ?? 0) - (a.score ?? 0));
    const kept = new Set([...all.slice(0, Math.max(1, last ?? 1)), ...ranked.slice(0, best ?? 0)]);
    const removed = all.filter((checkpoint) => !kept.has(checkpoint)).reverse();
    for (const { name } of removed) {
      const { folder } = await this.readManifest(name);
      // Without its manifest a checkpoint is none; data that a crash leaves is for the sweep.
      await this.remove(`${name}.json`);
      await this.remove(folder);
    }
    return removed.map(({ name }) => name);
  }

  private async writeData(
    name: string,
    folder: string,
    state: PolicyState,
    score: number | undefined,
  ): Promise<CheckpointManifest> {
    const files: Partial<Record<StatePart, WrittenFile>> = {};
    for (const part of stateParts) {
      const set = state[part];
      if (set !== undefined)
        files[part] = await writeSafetensors(this.dataPath(folder, part), [...set.tensors.values()]);
    }
    await syncFolder(join(this.folder, folder));
    const { version, optimizerSteps, extra } = state;
    const described = { name, version, optimizerSteps, createdAtMs: Date.now(), folder, files, extra };
    return score === undefined ? described : { ...described, score };
  }

  private async readManifest(name: string): Promise<CheckpointManifest> {
    const path = this.manifestPath(name);
    return parseManifest(await readText(path), name, path);
  }

  /** Whether there is a manifest of that name which does not tell what it is of. */
  private async isUnreadable(name: string): Promise<boolean> {
    try {
      await this.readManifest(name);
      return false;
    } catch (error) {
      return !(error instanceof CheckpointError && error.reason === 'missing');
    }
  }

  /** Removes the data of earlier saves under a name. */
  private async removeOlder(name: string, keep: string): Promise<void> {
    for (const entry of await entriesOf(this.folder))
      if (isDataFolder(entry) && entry !== keep && entry.startsWith(`${name}@`)) await this.remove(entry);
  }

  private async removeUnpublished(name: string, dataFolder: string, manifestPart: string): Promise<void> {
    await this.remove(basename(manifestPart));
    const published = await this.readManifest(name).catch(() => undefined);
    if (published?.folder !== dataFolder) await this.remove(dataFolder);
  }

  /** What cannot be removed now is left for a later sweep. */
  private async remove(entry: string): Promise<void> {
    await rm(join(this.folder, entry), { recursive: true, force: true }).catch(() => undefined);
  }

  private manifestPath(name: string): string {
    return join(this.folder, `${name}.json`);
  }

  private dataPath(dataFolder: string, part: StatePart): string {
    return join(this.folder, dataFolder, `${part}.safetensors`);
  }
}

/** What is wrong with a checkpoint name, or `undefined`: 1 to 100 letters, digits, dots, dashes and underscores, no dot first. */
export function checkpointNameViolation(name: string): string | undefined {
  if (name === initialCheckpoint) return `"${name}" names the weights the policy was started with`;
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(name)) return undefined;
  return `${JSON.stringify(name)} is not 1 to 100 letters, digits, dots, dashes and underscores, starting with no dot`;
}

function requireName(name: string): void {
  const description = checkpointNameViolation(name);
  if (description !== undefined) throw new EngineInputError([{ field: 'name', description }]);
}

function infoOf({ name, version, createdAtMs, files, score }: CheckpointManifest): CheckpointInfo {
  const sizeBytes = Object.values(files).reduce((sum, file) => sum + file.sizeBytes, 0);
  return { name, version, sizeBytes, createdAtMs, ...(score !== undefined && { score }) };
}

function isDataFolder(entry: string): boolean {
  return /^[A-Za-z0-9._-]+@[0-9a-f]{12}$/.test(entry);
}

/** The checkpoint that a data folder is of. */
function nameOf(dataFolder: string): string {
  return dataFolder.slice(0, dataFolder.indexOf('@'));
}

function isManifestPart(entry: string): boolean {
  return entry.startsWith('.') && entry.endsWith('.json') && isDataFolder(entry.slice(1, -5));
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw fileError(folder, error);
  }
}

async function verify(path: string, written: WrittenFile): Promise<void> {
  const fail = (problem: string) => new CheckpointError({ reason: 'invalid', file: path, problem });
  try {
    const { size } = await stat(path);
    if (size !== written.sizeBytes)
      throw fail(`has ${size} bytes where ${written.sizeBytes} were written; it is corrupt`);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
    if (hash.digest('hex') !== written.sha256)
      throw fail('does not have the SHA-256 it was written with; it is corrupt');
  } catch (error) {
    const failure = fileError(path, error);
    // The checkpoint is there; a file of it that is not makes it corrupt.
    if (failure instanceof CheckpointError && failure.reason === 'missing')
      throw fail('is missing from the checkpoint');
    throw failure;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
