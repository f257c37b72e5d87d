/** Finds a real CPython to run programs with: not a shim, which would start another one at ten times the cost. */
import { z } from 'zod';
import { isMissing, type Machine, thisMachine } from './machine.js';
import { NoSandbox } from './sandbox.js';

/** An interpreter that is there and new enough. */
export interface Python {
  /** Absolute path of the interpreter itself. */
  readonly path: string;
  /** For example `3.11.2`. */
  readonly version: string;
}

const usualPlaces = ['/usr/bin/python3', '/usr/local/bin/python3'];
const oldest = [3, 10] as const;
const question =
  'import json, os, sys; print(json.dumps([sys.implementation.name, list(sys.version_info[:3]), os.path.realpath(sys.executable)]))';
const answer = z.tuple([z.string(), z.tuple([z.number(), z.number(), z.number()]), z.string().min(1)]);

/** The interpreter at `path`, or in the usual places when there is none given. Throws NoSandbox. */
export async function findPython(path: string | undefined, machine: Machine = thisMachine): Promise<Python> {
  const problems: string[] = [];
  for (const candidate of path === undefined ? usualPlaces : [path]) {
    const found = await ask(candidate, machine);
    if (typeof found !== 'string') return found;
    problems.push(`${candidate} ${found}`);
  }
  throw new NoSandbox(
    `No Python to run programs with: ${problems.join('; ')}. ` +
      'Install python3 (Debian: apt-get install python3), or set BACKSIGHT_PYTHON to one.',
  );
}

/** The interpreter, or what is wrong with the candidate. */
async function ask(candidate: string, machine: Machine): Promise<Python | string> {
  try {
    const said = await machine.run(candidate, ['-I', '-S', '-c', question]);
    const [implementation, version, executable] = answer.parse(JSON.parse(said));
    if (implementation !== 'cpython') return `is ${implementation}, not CPython`;
    const [major, minor] = version;
    if (major !== oldest[0] || minor < oldest[1])
      return `is ${version.join('.')}, not 3.${oldest[1]} or a newer 3`;
    return { path: executable, version: version.join('.') };
  } catch (error) {
    return isMissing(error) ? 'is missing' : 'does not run';
  }
}
