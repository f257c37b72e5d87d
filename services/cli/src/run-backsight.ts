/** Runs `backsight` as people do, for tests: as a process, with what it printed and what it left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The program, as built. */
export const program = join(import.meta.dirname, '../dist/main.js');

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
}

export interface RunOptions {
  /** Its whole environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Sees all of stdout whenever there is more of it. */
  readonly onOutput?: (text: string, child: ChildProcess) => void;
}

/** Starts it. */
export function startBacksight(args: readonly string[], { environment, onOutput }: RunOptions): Started {
  const child = spawn(process.execPath, [program, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    onOutput?.(stdout, child);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
  return { child, stderr: () => stderr, ended };
}

/** Runs it to its end. */
export const backsight = (args: readonly string[], options: RunOptions): Promise<Ended> =>
  startBacksight(args, options).ended;

/** Starts `backsight up` with these arguments; resolves once its rooms are there, rejects with what it said when it ends before. */
export function startHouse(
  args: readonly string[],
  environment: RunOptions['environment'],
): Promise<Started> {
  return new Promise((resolve, reject) => {
    const house = startBacksight(['up', ...args, '--json'], {
      environment,
      onOutput: (text) => {
        if (text.includes('}')) resolve(house);
      },
    });
    house.ended.then(({ stderr }) => {
      reject(new Error(stderr));
    }, reject);
  });
}

/** Folders that are removed together. */
export class TemporaryFolders {
  readonly #folders: string[] = [];

  async make(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'backsight-e2e-'));
    this.#folders.push(folder);
    return folder;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  }
}

/** Ids of processes whose environment mentions a folder: rooms of a house that keeps its data there. */
export async function processesOf(folder: string): Promise<readonly string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const mentions = await Promise.all(
    ids.map((id) =>
      readFile(`/proc/${id}/environ`, 'utf8').then(
        (text) => text.includes(folder),
        () => false,
      ),
    ),
  );
  return ids.filter((_, index) => mentions[index]);
}
