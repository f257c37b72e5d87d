/** Whose a container or a folder is: a judge’s process, named so that another judge can tell whether it is still alive. */
import { readFile, readlink } from 'node:fs/promises';

/**
 * Names a process, as the value of a label: by the boot of its machine, its process namespace, its id there, and when
 * it started. No other process has that name, nor will a later one of the same id.
 */
export async function nameProcess(pid = process.pid): Promise<string> {
  const [boot, namespace] = await surroundings();
  return [boot, namespace, pid, (await startOf(pid)) ?? 0].join('.');
}

/** Whether the name is that of a dead process; of one on another machine or in another namespace, never. */
export async function isDead(name: string): Promise<boolean> {
  const [boot, namespace, pid = '', started] = name.split('.');
  const [ownBoot, ownNamespace] = await surroundings();
  if (boot !== ownBoot || namespace !== ownNamespace || !/^\d+$/.test(pid)) return false;
  return (await startOf(Number(pid))) !== started;
}

async function surroundings(): Promise<readonly [boot: string, namespace: string]> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  // For example `pid:[4026531836]`.
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return [boot.trim(), namespace.replace(/\D/g, '')];
}

/** When a process started, in clock ticks since boot; undefined when it is dead, even if nobody has noticed yet. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // Fields 3 and 22 of proc(5) stat, counted after the name.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}
