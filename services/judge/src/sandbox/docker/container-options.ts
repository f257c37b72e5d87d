/** How a slot's container is made: with nothing that its slot does not need, and within the bounds of a job. */
import type Docker from 'dockerode';
import type { RunLimits, SandboxJob } from '../sandbox.js';
import { slotEnvironment } from '../slot-channel.js';
import { callProfile } from './call-profile.js';

/** What differs from one container to another. */
export interface ContainerSettings {
  readonly image: string;
  readonly command: readonly string[];
  /** User and group, inside and on the machine. */
  readonly user: number;
  /** For example `kata`; by default the daemon's own. */
  readonly runtime: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly bounds: ContainerBounds;
  /** Whether the daemon confines containers by AppArmor, whose usual profile lets nobody mount anything. */
  readonly appArmor: boolean;
  /** Of this machine's files, those that belong into it. */
  readonly mounts: Docker.MountConfig;
}

/** What everything in a container together may use. */
export interface ContainerBounds {
  readonly memoryBytes: number;
  readonly processes: number;
}

/** Of the slot itself: its supervisor and its zygote, about 16 MiB, and a little of a warden. */
const slotBytes = 20 << 20;
/** Beside those of a run: the container's init, the supervisor, the zygote, the warden. */
const slotProcesses = 4;
/** Bounds are rounded up to it, so that most jobs need the same ones. */
const stepBytes = 16 << 20;
const folderBytes = 16 << 20;
/** A short period: a container that has used up its share stands still for milliseconds, and so does its supervisor. */
const cpuPeriodUs = 10_000;

/** The bounds for a job: its limits, and room for the slot with what it carries in and out. */
export function boundsOf({ source, files, runs, limits }: SandboxJob): ContainerBounds {
  const carried =
    2 * (source.length + sum(files.map(({ content }) => content.length)) + sum(runs.map(bytesOf))) +
    1.25 * limits.outputBytes;
  return boundsFor(limits, carried);
}

/** The bounds for these limits beside so many bytes that the slot holds. */
export function boundsFor(
  { memoryBytes, processes }: Pick<RunLimits, 'memoryBytes' | 'processes'>,
  carriedBytes: number,
): ContainerBounds {
  return {
    memoryBytes: memoryBytes + slotBytes + stepBytes * Math.ceil(carriedBytes / stepBytes),
    processes: processes + slotProcesses,
  };
}

/** As the Engine's API takes bounds, of a container to make and of one that runs. */
export function resourcesOf({ memoryBytes, processes }: ContainerBounds) {
  // The two memory limits are equal: no swap.
  return { Memory: memoryBytes, MemorySwap: memoryBytes, PidsLimit: processes };
}

/** As the Engine's API takes a container. */
export function containerOptions(settings: ContainerSettings): Docker.ContainerCreateOptions {
  const { image, command, user, runtime, labels, bounds, appArmor, mounts } = settings;
  return {
    Image: image,
    Entrypoint: [],
    Cmd: [...command],
    Env: Object.entries(slotEnvironment).map(([name, value]) => `${name}=${value}`),
    WorkingDir: '/',
    User: `${user}:${user}`,
    Hostname: 'sandbox',
    Labels: { ...labels },
    Tty: false,
    OpenStdin: true,
    // With the judge's end of the stream the slot's input ends, and so do the slot and the container.
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    NetworkDisabled: true,
    StopSignal: 'SIGKILL',
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...resourcesOf(bounds),
      CpuPeriod: cpuPeriodUs,
      CpuQuota: cpuPeriodUs,
      AutoRemove: true,
      Init: true,
      ...(runtime === undefined ? {} : { Runtime: runtime }),
      NetworkMode: 'none',
      IpcMode: 'none',
      ReadonlyRootfs: true,
      ...(mounts.length === 0 ? {} : { Mounts: mounts }),
      Tmpfs: { '/tmp': `rw,size=${folderBytes},mode=1777,nosuid,nodev,noexec` },
      CapDrop: ['ALL'],
      SecurityOpt: [
        'no-new-privileges',
        `seccomp=${JSON.stringify(callProfile)}`,
        ...(appArmor ? ['apparmor=unconfined'] : []),
      ],
      // Masked, the container's /proc would keep the sandboxes inside from having one of their own. Only the slot sees it,
      // an ordinary user without capabilities.
      MaskedPaths: [],
      ReadonlyPaths: [],
      Ulimits: [
        { Name: 'core', Soft: 0, Hard: 0 },
        { Name: 'nofile', Soft: 1024, Hard: 1024 },
      ],
      LogConfig: { Type: 'none', Config: {} },
    },
  };
}

/** What the slot is given for a run before it begins. */
function bytesOf(run: SandboxJob['runs'][number]): number {
  if ('input' in run) return run.input.length;
  if ('argumentsJson' in run) return sum(run.argumentsJson.map((text) => text.length));
  return 'code' in run ? run.code.length : 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
