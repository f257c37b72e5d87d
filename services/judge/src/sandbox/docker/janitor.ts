/** Clears away containers whose judge is dead, and tells whether any of a judge's are left. */
import { rm } from 'node:fs/promises';
import type Docker from 'dockerode';
import { removeContainer } from './container.js';
import { isDead } from '../owner.js';
import { findLostPipes } from './pipes.js';

const ownerLabel = 'dev.backsight.judge';
/** Between making a container and starting it a judge takes a moment; one so old, in seconds, was forgotten. */
const startSeconds = 600;

/** The labels of the containers of a judge. */
export function labelsOf(owner: string): Readonly<Record<string, string>> {
  return { [ownerLabel]: owner };
}

/**
 * Removes the containers of dead judges, and the pipes to some that never were; those of judges that are alive, or may
 * be, stay. Resolves to how many containers.
 */
export async function clearAway(
  docker: Pick<Docker, 'listContainers' | 'getContainer'>,
  now = Date.now(),
): Promise<number> {
  const left = await findAbandoned(docker, now);
  await Promise.all(left.map((id) => removeContainer(docker.getContainer(id))));
  for (const folder of await findLostPipes()) await rm(folder, { recursive: true, force: true });
  return left.length;
}

/** Ids of the containers of dead judges, and of such that were made and never started. */
export async function findAbandoned(
  docker: Pick<Docker, 'listContainers'>,
  now = Date.now(),
): Promise<readonly string[]> {
  const all = await docker.listContainers({ all: true, filters: { label: [ownerLabel] } });
  const abandoned = await Promise.all(
    all.map(
      async ({ Labels, State, Created }) =>
        (State === 'created' && now / 1000 - Created > startSeconds) ||
        (await isDead(Labels[ownerLabel] ?? '')),
    ),
  );
  return all.filter((_, index) => abandoned[index]).map(({ Id }) => Id);
}

/** Ids of the containers of a judge. */
export async function containersOf(docker: Docker, owner: string): Promise<readonly string[]> {
  const filters = { label: [`${ownerLabel}=${owner}`] };
  return (await docker.listContainers({ all: true, filters })).map(({ Id }) => Id);
}
