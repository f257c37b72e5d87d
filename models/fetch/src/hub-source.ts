import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { checkModelTexts, modelTextFiles } from '@backsight/engine';
import { FetchError, HubUnreachableError } from './fetch-error.js';
import type { Hub, HubFile, HubModel } from './hub.js';
import type { ReportProgress } from './progress.js';
import { append, gitBlobId, sha256Of } from './transfer.js';

/**
 * Downloads what belongs to a model into a folder: its texts first, which are checked before anything large follows.
 *
 * A file that is whole and right already is kept, one that was cut off is gone on with, each is held to the hub's checksum.
 */
export async function downloadModel(
  hub: Hub,
  model: HubModel,
  into: string,
  progress: ReportProgress,
  signal: AbortSignal,
): Promise<void> {
  const texts = model.files.filter(({ name }) => isText(name));
  const weights = weightFiles(model);
  const total = [...texts, ...weights].reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const download = async (file: HubFile) => {
    await downloadFile(hub, model, file, into, signal, (bytes) => {
      done += bytes;
      progress({ stage: 'download', what: file.name, done, total });
    });
  };
  for (const file of texts) await download(file);
  await checkModelTexts(into);
  for (const file of weights) await download(file);
}

const wantedTexts = new Set<string>([...modelTextFiles, 'LICENSE', 'LICENSE.txt', 'LICENSE.md']);
const indexFile = 'model.safetensors.index.json';

function isText(name: string): boolean {
  return wantedTexts.has(name);
}

/** model.safetensors, or else the index and the shards that lie beside it. */
function weightFiles({ id, files }: HubModel): readonly HubFile[] {
  const whole = files.filter(({ name }) => name === 'model.safetensors');
  if (whole.length > 0) return whole;
  const shards = files.filter(({ name }) => name === indexFile || /^model-[\w-]+\.safetensors$/.test(name));
  if (shards.some(({ name }) => name === indexFile)) return shards;
  throw new FetchError(`${id} has no model.safetensors on the hub; other formats are not fetched.`);
}

async function downloadFile(
  hub: Hub,
  model: HubModel,
  file: HubFile,
  into: string,
  signal: AbortSignal,
  received: (bytes: number) => void,
): Promise<void> {
  const path = join(into, file.name);
  if ((await sizeOf(path)) === file.size) {
    received(file.size);
    return;
  }
  const part = `${path}.part`;
  let arrived = await sizeOf(part);
  received(arrived);
  const attempt = async () => {
    const bytes = await hub.download(model, file, arrived, signal);
    if (bytes !== undefined)
      await append(part, bytes, signal, (count) => {
        arrived += count;
        received(count);
      });
  };
  // An empty file is never asked for, but it must be there.
  if (file.size === 0) await append(part, nothing(), signal, received);
  for (let failures = 0; arrived < file.size;) {
    const before = arrived;
    try {
      await attempt();
      if (arrived === before) throw new FetchError(`The hub sends no more of ${file.name}.`);
    } catch (error) {
      signal.throwIfAborted();
      failures = arrived > before ? 0 : failures + 1;
      const final = error instanceof FetchError && !(error instanceof HubUnreachableError);
      if (failures >= mostFailures || final) throw error;
      await setTimeout(failures * retryDelayMs, undefined, { signal });
    }
  }
  await verify(part, file, model);
  await rename(part, path);
}

/** Attempts in a row that may bring nothing. */
const mostFailures = 3;
const retryDelayMs = 500;

/** A file that is not what the hub says is removed, so that the next attempt begins anew. */
async function verify(part: string, file: HubFile, { id }: HubModel): Promise<void> {
  const { sha256, blobId, size } = file;
  const [expected, found] =
    sha256 === undefined ? [blobId, await gitBlobId(part, size)] : [sha256, await sha256Of(part)];
  if (expected === undefined || expected === found) return;
  await rm(part);
  throw new FetchError(
    `${file.name} of ${id} did not arrive as the hub has it (checksum); run the command again.`,
  );
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

async function* nothing(): AsyncGenerator<Uint8Array, void, void> {
  // Has no pieces.
}
