/** Sandboxes in Docker containers: one container a slot, kept warm and replaced in time, or a fresh one a submission. */
import { IsolationTier } from '@backsight/contract/judge';
import { ArtefactCache, artefactKey } from '../artefact-cache.js';
import type { Toolchain } from '../find-toolchains.js';
import {
  NoSandbox,
  type RunEnding,
  type Sandbox,
  type SandboxEvent,
  SandboxFailure,
  type SandboxJob,
} from '../sandbox.js';
import type { Artefact } from '../slot-process.js';
import type { SlotContainer } from './container.js';
import { boundsFor, boundsOf } from './container-options.js';
import { Containers } from './containers.js';
import { type DaemonSettings, findDaemon } from './daemon.js';
import { imageLanguages, modulesDigest, type SandboxImage } from './image.js';
import { clearAway } from './janitor.js';
import { nameProcess } from '../owner.js';

/** How to open it. */
export interface DockerSandboxOptions extends DaemonSettings {
  /** Programs run side by side. */
  readonly slots: number;
  /** Whether a container serves one submission only. */
  readonly oneShot: boolean;
  /** The languages to offer; by default all that the image has. */
  readonly languages: readonly string[] | undefined;
  /** Containers are these users in turn, from the first on. Default: 60600, and one for each that is kept ready. */
  readonly firstUser?: number;
  readonly users?: number;
  /** Gets what the slots complain of, and what goes wrong in the background. */
  readonly onComplaint: (line: string) => void;
}

/** A range that neither Debian nor systemd hands out. */
const unassignedUser = 60_600;
const artefactBytes = 1 << 28;
/** The signal of a call that the kernel was told to kill for. */
const SIGSYS = 31;
/** A warm container is replaced after so many submissions, whatever became of them. */
const warmUses = 2000;
/** Runtimes that give a container a Linux of its own. */
const ownKernel = new Set(['kata', 'kata-runtime', 'io.containerd.kata.v2']);

/** Starts the containers. Throws NoSandbox, with one sentence, where there is no daemon or no image of this version. */
export async function openDockerSandbox(options: DockerSandboxOptions): Promise<Sandbox> {
  const { slots, oneShot, firstUser = unassignedUser, onComplaint } = options;
  const daemon = await findDaemon(options);
  await clearAway(daemon.docker);
  const spares = oneShot ? slots : 1;
  const containers = new Containers({
    daemon,
    owner: await nameProcess(),
    maxUses: oneShot ? 1 : warmUses,
    spares,
    firstUser,
    users: options.users ?? slots + spares,
    onComplaint,
  });
  let languages: readonly Toolchain[];
  try {
    await containers.of('python').warm(slots);
    languages = await offer(containers.image, options);
  } catch (error) {
    await containers.close();
    if (!(error instanceof SandboxFailure)) throw error;
    const where = options.runtime === undefined ? '' : ` under runtime ${options.runtime}`;
    throw new NoSandbox(`Image ${options.image} runs no programs${where}: ${error.message}.`, {
      cause: error,
    });
  }

  const artefacts = new ArtefactCache(artefactBytes);
  const running = { program: 0, companion: 0 };
  return {
    name: oneShot ? 'docker-one-shot' : 'docker',
    tier: ownKernel.has(options.runtime ?? '') ? IsolationTier.KERNEL : IsolationTier.CONTAINER,
    languages,
    capacity: slots,

    async *execute(job: SandboxJob, signal: AbortSignal): AsyncGenerator<SandboxEvent, void, void> {
      const role = job.companion === true ? 'companion' : 'program';
      if (running[role] === slots) throw new SandboxFailure('every slot of the sandbox is taken');
      running[role] += 1;
      const pool = containers.of(job.surroundings ?? job.language);
      containers.startWith(boundsOf(job));
      try {
        const container = await pool.take(signal);
        const { version = '' } = languages.find(({ name }) => name === job.language) ?? {};
        const key = artefactKey(job.language, version, job.source);
        const artefact = (): Artefact => ({
          known: artefacts.get(key),
          keep: (made) => {
            artefacts.put(key, made);
          },
        });
        let suspicious = false;
        try {
          for await (const event of runIn(container, job, signal, artefact)) {
            suspicious ||= event.kind === 'ran' && isSuspicious(event.ending);
            yield event;
          }
        } catch (error) {
          suspicious ||= error instanceof SandboxFailure;
          throw error;
        } finally {
          pool.give(container, suspicious);
        }
      } finally {
        running[role] -= 1;
      }
    },

    leftovers: () => containers.leftovers(),
    close: () => containers.close(),
  };
}

/** Runs a job within its bounds; what has to be compiled first is, within the compiler's. */
async function* runIn(
  container: SlotContainer,
  job: SandboxJob,
  signal: AbortSignal,
  artefact: () => Artefact,
): AsyncGenerator<SandboxEvent, void, void> {
  const { slot, compiling } = container;
  if (compiling !== undefined && artefact().known === undefined) {
    const compilation = { ...job, files: [], runs: [] };
    await container.bound(boundsFor(compiling, 2 * job.source.length));
    for await (const event of slot.execute(compilation, signal, artefact())) {
      if (event.kind === 'compiled') continue;
      yield event;
      return;
    }
  }
  await container.bound(boundsOf(job));
  yield* slot.execute(job, signal, artefact());
}

/** Whether a container is better not used again: its limits, or its filter, had to stop a program. */
function isSuspicious({ limit, signal }: RunEnding): boolean {
  return limit !== undefined || signal === SIGSYS;
}

/** What the image has and the settings ask for. Throws NoSandbox, with one sentence, when that does not go together. */
async function offer(
  found: SandboxImage | undefined,
  { image, languages }: DockerSandboxOptions,
): Promise<readonly Toolchain[]> {
  const { modules, toolchains } = found ?? { modules: '', toolchains: [] };
  if (modules !== (await modulesDigest()))
    throw new NoSandbox(
      `Image ${image} was made by another version of the judge: make it anew with "npm run judge:image".`,
    );
  const missing = (languages ?? []).filter((each) => !toolchains.some(({ name }) => name === each));
  const never = missing.filter((each) => !imageLanguages.includes(each));
  if (missing.length > 0)
    throw new NoSandbox(
      `Image ${image} has no ${missing.join(', ')}: ` +
        (never.length > 0
          ? `images hold ${imageLanguages.join(', ')} alone, so choose BACKSIGHT_SANDBOX=zygote or bubblewrap for ${never.join(', ')}, `
          : 'make it anew where there is one, with "npm run judge:image", ') +
        'or leave it out of BACKSIGHT_JUDGE_LANGUAGES.',
    );
  return toolchains.filter(({ name }) => name === 'python' || (languages?.includes(name) ?? true));
}
