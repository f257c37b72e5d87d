/** The self-check: attacks the sandbox before it is used, and says what got through. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDead, nameProcess } from './owner.js';
import { type RunEnding, type RunLimits, type Sandbox, SandboxFailure } from './sandbox.js';

/** What an attack achieved. */
export interface Finding {
  /** As python/attacks.py names it. */
  readonly attack: string;
  /** `held`, or what got through. */
  readonly result: string;
}

/** In the order of python/attacks.py. */
export const attacks = [
  'read_host_file',
  'list_host',
  'write_root',
  'see_judge',
  'read_environment',
  'read_settings',
  'touch_warden',
  'write_descriptors',
  'open_socket',
  'call_kernel',
  'make_namespace',
  'become_root',
  'fork_many',
  'take_memory',
  'fill_disk',
] as const;

const limits: RunLimits = {
  cpuMs: 5_000,
  wallMs: 10_000,
  memoryBytes: 96 << 20,
  outputBytes: 1 << 16,
  processes: 16,
};
/** Of the folder in which a self-check has its canary; its process follows, by id and by name. */
const prefix = 'backsight-doctor-';
const submission = resolve(import.meta.dirname, '../../python/attacks.py');

/** Runs every attack in the sandbox, one after another, among what the programs of a language see. */
export async function examine(
  sandbox: Sandbox,
  surroundings: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  for (const left of await findLostChecks()) await rm(left, { recursive: true, force: true });
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-${await nameProcess()}-`));
  try {
    const file = join(folder, 'canary');
    await writeFile(file, 'a file of the host', { mode: 0o644 });
    const aims = {
      file,
      pid: process.pid,
      started: await ownStart(),
      processes: limits.processes,
      memory: limits.memoryBytes,
    };
    const runs = attacks.map((attack) => ({
      kind: 'stdio' as const,
      input: Buffer.from(JSON.stringify({ ...aims, attack })),
    }));
    const source = await readFile(submission, 'utf8');
    const findings: Finding[] = [];
    for await (const event of sandbox.execute(
      { language: 'python', surroundings, source, files: [], runs, limits },
      signal,
    )) {
      if (event.kind === 'compile-error')
        throw new SandboxFailure(`the self-check does not compile: ${event.error.message}`);
      if (event.kind === 'ran')
        findings.push({ attack: attacks[event.run] ?? '', result: resultOf(event.ending) });
    }
    if (findings.length < attacks.length) {
      throw new SandboxFailure(`the self-check ended after ${findings.length} of ${attacks.length} attacks`);
    }
    return findings;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Folders of self-checks whose process was killed meanwhile. */
export async function findLostChecks(parent = tmpdir()): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const [, owner] = /^backsight-doctor-\d+-(\S+)-\w{6}$/.exec(name) ?? [];
    if (owner !== undefined && (await isDead(owner))) lost.push(join(parent, name));
  }
  return lost;
}

/** What got through, in one sentence; undefined when everything held. */
export function breachOf(findings: readonly Finding[]): string | undefined {
  const breaches = findings.filter(({ result }) => result !== 'held');
  if (breaches.length === 0) return undefined;
  const list = breaches.map(({ attack, result }) => `${attack} ${result}`).join('; ');
  return `The sandbox does not hold, so the judge does not serve: ${list}.`;
}

/** When this process started, in clock ticks since boot: field 22 of proc(5) stat, counted after the name. */
async function ownStart(): Promise<string> {
  const stat = await readFile('/proc/self/stat', 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function resultOf({ limit, exitCode, signal, stdout, stderr }: RunEnding): string {
  // An attack on memory is over when the kernel kills it.
  if (limit === 'memory') return 'held';
  const said = Buffer.from(stdout).toString().trim();
  if (exitCode === 0 && said !== '') return said;
  const lastWords = Buffer.from(stderr).toString().trim().split('\n').at(-1) ?? '';
  return `ended early (exit ${exitCode ?? 'none'}, signal ${signal ?? 'none'}, limit ${limit ?? 'none'}): ${lastWords}`;
}
