/** A machine is where toolchains are looked for: this one, or the inside of a container or a pod. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Where programs will run. */
export interface Machine {
  /**
   * Runs a tool to its end, with an empty environment, and gives its standard output. Rejects when it fails; with the
   * `code` ENOENT when it is missing.
   */
  readonly run: (path: string, args: readonly string[]) => Promise<string>;
  /** Path of Node.js. */
  readonly node: string;
}

/** The machine that the judge runs on, with the Node.js that runs it. */
export const thisMachine: Machine = {
  run: async (path, args) => (await promisify(execFile)(path, args, { timeout: 10_000, env: {} })).stdout,
  node: process.execPath,
};

/** The error of a tool that is not there. */
export function missingTool(path: string): Error {
  return Object.assign(new Error(`${path} is missing`), { code: 'ENOENT' });
}

/** Whether a tool failed because it is not there. */
export function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}
