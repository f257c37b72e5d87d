/** What of this machine, or of the container that the judge is in, bears on isolating programs. */
import { readFile } from 'node:fs/promises';

/** Facts about this process and its kernel. */
export interface Confinement {
  readonly user: number;
  /** Whether it has CAP_SYS_ADMIN, which makes namespaces without further ado. */
  readonly administers: boolean;
  /** Whether a system-call filter is on it, as on processes of containers. */
  readonly filtered: boolean;
  /** `kernel.unprivileged_userns_clone`, `kernel.apparmor_restrict_unprivileged_userns`, `user.max_user_namespaces`. */
  readonly userNamespaces: {
    /** Debian's switch; undefined where the kernel has none. */
    readonly unprivileged: boolean | undefined;
    /** Ubuntu's; undefined where the kernel has none. */
    readonly restrictedByAppArmor: boolean | undefined;
    readonly atMost: number | undefined;
  };
  /** Mount points below /proc, by which a container masks it. */
  readonly maskedProc: readonly string[];
  readonly controlGroups: 'v1' | 'v2' | 'hybrid' | 'none';
}

const capSysAdmin = 21n;

/** Looks at this process. */
export async function readConfinement(): Promise<Confinement> {
  const [status, mounts, unprivileged, appArmor, atMost] = await Promise.all([
    read('/proc/self/status'),
    read('/proc/self/mountinfo'),
    read('/proc/sys/kernel/unprivileged_userns_clone'),
    read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    read('/proc/sys/user/max_user_namespaces'),
  ]);
  return {
    user: process.geteuid?.() ?? 0,
    administers: hasCapability(/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1], capSysAdmin),
    filtered: /^Seccomp:\s+2$/m.test(status),
    userNamespaces: {
      unprivileged: unprivileged === '' ? undefined : unprivileged !== '0',
      restrictedByAppArmor: appArmor === '' ? undefined : appArmor !== '0',
      atMost: atMost === '' ? undefined : Number(atMost),
    },
    ...readMounts(mounts),
  };
}

/** What a mountinfo file says of /proc and of control groups. */
export function readMounts(mountinfo: string): Pick<Confinement, 'maskedProc' | 'controlGroups'> {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4];
    return point === undefined ? [] : [{ point, kind: after.split(' ')[0] ?? '' }];
  });
  const kinds = new Set(mounts.map(({ kind }) => kind));
  const [first, second] = [kinds.has('cgroup'), kinds.has('cgroup2')];
  return {
    maskedProc: mounts.map(({ point }) => point).filter(isMask),
    controlGroups: first && second ? 'hybrid' : first ? 'v1' : second ? 'v2' : 'none',
  };
}

/** Where systemd mounts on demand, on every machine. */
const automatic = '/proc/sys/fs/binfmt_misc';

function isMask(point: string): boolean {
  return point.startsWith('/proc/') && point !== automatic;
}

function hasCapability(hex: string | undefined, capability: bigint): boolean {
  return hex !== undefined && ((BigInt(`0x${hex}`) >> capability) & 1n) === 1n;
}

async function read(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trim();
}
