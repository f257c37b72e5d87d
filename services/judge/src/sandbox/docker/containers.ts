/** The containers of one judge: a pool for each language, begun when it is first needed. */
import { removeContainer, SlotContainer } from './container.js';
import { type ContainerBounds, boundsFor } from './container-options.js';
import { ContainerPool } from './container-pool.js';
import { type Daemon, promptly, reasonOf } from './daemon.js';
import type { SandboxImage } from './image.js';
import { containersOf, findAbandoned, labelsOf } from './janitor.js';
import { findLostPipes } from './pipes.js';
import { Register } from './register.js';

/** How to keep them. */
export interface ContainersOptions {
  readonly daemon: Daemon;
  /** The judge, as the containers' label names it. */
  readonly owner: string;
  /** Submissions that a container serves at most. */
  readonly maxUses: number;
  /** Containers of a language that are ready beyond those that were ever needed at once. */
  readonly spares: number;
  /** Containers are these users in turn, so many from the first on. */
  readonly firstUser: number;
  readonly users: number;
  /** Gets what the slots complain of, and what goes wrong in the background. */
  readonly onComplaint: (line: string) => void;
}

/** All of them. */
export class Containers {
  /** Those that are being started, ready, at work, or being removed. */
  private readonly register = new Register();
  private readonly pools = new Map<string, ContainerPool<SlotContainer>>();
  private made = 0;
  private bounds = boundsFor({ memoryBytes: 256 << 20, processes: 32 }, 1);
  private found: SandboxImage | undefined;
  /** Until one that is told to talk past the daemon does not start. */
  private piped: boolean;

  constructor(private readonly options: ContainersOptions) {
    this.piped = sharesPipes(options.daemon);
  }

  /** What the image says of itself, once a container has been started from it. */
  get image(): SandboxImage | undefined {
    return this.found;
  }

  /** Those whose programs see the toolchain of this language. */
  of(language: string): ContainerPool<SlotContainer> {
    const { maxUses, spares, onComplaint } = this.options;
    const known = this.pools.get(language);
    if (known !== undefined) return known;
    const pool = new ContainerPool({
      start: () => this.start(language),
      maxUses,
      spares,
      onTrouble: (error) => {
        onComplaint(`no container could be started: ${reasonOf(error)}`);
      },
    });
    this.pools.set(language, pool);
    return pool;
  }

  /** Has containers start with these bounds from now on: the next job is likely to be like the last. */
  startWith(bounds: ContainerBounds): void {
    this.bounds = bounds;
  }

  /** Containers and pipes that nobody has a use for, in a few words each. */
  async leftovers(): Promise<readonly string[]> {
    const { docker } = this.options.daemon;
    const containers = await this.register.strangers(async () =>
      (await promptly(Promise.all([containersOf(docker, this.options.owner), findAbandoned(docker)]))).flat(),
    );
    return [
      ...containers.map((id) => `container ${id}`),
      ...(await findLostPipes()).map((folder) => `folder ${folder}`),
    ];
  }

  /** Removes all of them, whatever runs in them. */
  async close(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.close()));
    const { docker } = this.options.daemon;
    const left = await containersOf(docker, this.options.owner).catch(() => []);
    await Promise.all(left.map((id) => removeContainer(docker.getContainer(id))));
  }

  private async start(language: string): Promise<SlotContainer> {
    const { daemon, owner, firstUser, users, onComplaint } = this.options;
    const { piped } = this;
    const start = {
      daemon,
      language,
      user: firstUser + (this.made++ % users),
      labels: labelsOf(owner),
      bounds: this.bounds,
      register: this.register,
      onComplaint,
    };
    const container = await SlotContainer.start({ ...start, piped }).catch((error: unknown) => {
      if (!piped) throw error;
      // Its daemon may see other files than this process does, as when the judge is in a container itself.
      onComplaint(`containers cannot be reached past the daemon: ${reasonOf(error)}`);
      this.piped = false;
      return SlotContainer.start({ ...start, piped: false });
    });
    this.found ??= container.image;
    return container;
  }
}

/** Whether its containers may open pipes that are made here: it is on this machine, and they share its kernel. */
function sharesPipes({ socket, runtime }: Daemon): boolean {
  return /^(?:unix:\/\/)?\//.test(socket) && (runtime === undefined || sharing.has(runtime));
}

/** Runtimes of containers that are but processes of the machine. */
const sharing = new Set(['runc', 'crun', 'youki']);
