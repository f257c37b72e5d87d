/** What sandboxes may have left behind on this machine: processes, control groups and folders. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Live processes of `count` users from `first` on, as `pid name`; waits a second for the last ones to die.
 * @param counts Which of them count. Default: all.
 */
export async function leftProcesses(
  first: number,
  count: number,
  counts: (pid: number) => boolean = () => true,
): Promise<readonly string[]> {
  for (let attempt = 0; ; attempt++) {
    const left = processesOf(first, first + count, counts);
    if (left.length === 0 || attempt === 40) return left;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Control groups of the slots whose supervisors these are, or were. */
export function leftGroups(pids: readonly number[]): Promise<readonly string[]> {
  return groupsWhere((name) => pids.includes(slotOf(name)?.pid ?? NaN));
}

/**
 * What is left of slots and programs that are over: processes of `count` users from `first` on that no slot watches,
 * control groups and temporary folders whose slot is dead. Of a slot in another process namespace, nobody can tell.
 */
export async function findStrays(first: number, count: number): Promise<readonly string[]> {
  const processes = processesOf(first, first + count, (pid) => !isBelowSlot(pid));
  const groups = await groupsWhere(isOfDeadSlot);
  const folders = (await readdir(tmpdir()).catch(() => [])).filter(isOfDeadSlot);
  return [
    ...processes.map((each) => `process ${each}`),
    ...groups.map((each) => `control group ${each}`),
    ...folders.map((each) => `folder ${join(tmpdir(), each)}`),
  ];
}

async function groupsWhere(wanted: (name: string) => boolean): Promise<readonly string[]> {
  const found: string[] = [];
  const visit = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((each) => each.isDirectory())) {
      const path = join(folder, entry.name);
      if (wanted(entry.name)) found.push(path);
      else if (depth > 0) await visit(path, depth - 1);
    }
  };
  await visit('/sys/fs/cgroup', 4);
  return found;
}

/** The slot that a group or a folder is named after, as in python/owner.py: process namespace, id, start. */
function slotOf(name: string): { namespace: string; pid: number; started: string } | undefined {
  const [, namespace = '', pid, started = ''] = /^backsight-judge\.(\d+)\.(\d+)\.(\d+)$/.exec(name) ?? [];
  return pid === undefined ? undefined : { namespace, pid: Number(pid), started };
}

function isOfDeadSlot(name: string): boolean {
  const slot = slotOf(name);
  if (slot === undefined || readlinkSync('/proc/self/ns/pid') !== `pid:[${slot.namespace}]`) return false;
  const { state, started } = statOf(slot.pid);
  return state === 'Z' || state === 'X' || started !== slot.started;
}

function isBelowSlot(pid: number): boolean {
  for (let at = pid; at > 1; at = statOf(at).parent)
    if (read(`/proc/${at}/cmdline`).includes('slot.py')) return true;
  return false;
}

/** Fields 3, 4 and 22 of proc(5) stat, counted after the name; of a process that is gone, none. */
function statOf(pid: number): { state: string; parent: number; started: string } {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', parent: Number(fields[1] ?? 0), started: fields[19] ?? '' };
}

/** The child processes of this one that run slots. */
export function slotPids(parent = process.pid): readonly number[] {
  return numericEntries('/proc').filter((pid) => {
    const status = read(`/proc/${pid}/status`);
    const isChild = /^PPid:\s+(\d+)$/m.exec(status)?.[1] === String(parent);
    return isChild && read(`/proc/${pid}/cmdline`).includes('slot.py');
  });
}

/** Live descendants of a process, as ids. */
export function descendants(ancestor: number): readonly number[] {
  const parents = new Map(
    numericEntries('/proc').flatMap((pid) => {
      const status = read(`/proc/${pid}/status`);
      const parent = /^PPid:\s+(\d+)$/m.exec(status)?.[1];
      return parent === undefined || /^State:\s+Z/m.test(status) ? [] : [[pid, Number(parent)] as const];
    }),
  );
  const below = (pid: number): number[] =>
    [...parents].flatMap(([child, parent]) => (parent === pid ? [child, ...below(child)] : []));
  return below(ancestor);
}

/** Those of these processes that are alive. */
export function alive(pids: readonly number[]): readonly number[] {
  return pids.filter((pid) => {
    const state = /^State:\s+(\w)/m.exec(read(`/proc/${pid}/status`))?.[1];
    return state !== undefined && state !== 'Z';
  });
}

/** Live processes that call themselves so (`comm`), in whatever namespace. */
export function processesNamed(name: string): readonly number[] {
  return numericEntries('/proc').filter((pid) => {
    const status = read(`/proc/${pid}/status`);
    return status.startsWith(`Name:\t${name}\n`) && !/^State:\s+Z/m.test(status);
  });
}

function processesOf(first: number, end: number, counts: (pid: number) => boolean): readonly string[] {
  return numericEntries('/proc').flatMap((pid) => {
    const status = read(`/proc/${pid}/status`);
    // Dead, and waiting for the machine's first process to take note: of a killed slot it inherits the children.
    if (/^State:\s+Z/m.test(status)) return [];
    const user = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1);
    return user >= first && user < end && counts(pid)
      ? [`${pid} ${/^Name:\s+(.*)$/m.exec(status)?.[1] ?? ''}`]
      : [];
  });
}

function numericEntries(folder: string): readonly number[] {
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process is gone
  }
}
