/** Clears away containers whose judge is dead, and tells whether any of a judge's are left. */
import type Docker from 'dockerode';
import { removeContainer } from './container.js';
import { isDead } from './owner.js';

const ownerLabel = 'dev.backsight.judge';
/** Between making a container and starting it a judge takes a moment; one so old, in seconds, was forgotten. */
const startSeconds = 600;

/** The labels of the containers of a judge. */
export function labelsOf(owner: string): Readonly<Record<string, string>> {
  return { [ownerLabel]: owner };
}

/** Removes the containers of dead judges; those of judges that are alive, or may be, stay. Resolves to how many. */
export async function clearAway(
  docker: Pick<Docker, 'listContainers' | 'getContainer'>,
  now = Date.now(),
): Promise<number> {
  const all = await docker.listContainers({ all: true, filters: { label: [ownerLabel] } });
  const left = await Promise.all(
    all.map(async ({ Id, Labels, State, Created }) => {
      const neverStarted = State === 'created' && now / 1000 - Created > startSeconds;
      if (!neverStarted && !(await isDead(Labels[ownerLabel] ?? ''))) return 0;
      await removeContainer(docker.getContainer(Id));
      return 1;
    }),
  );
  return left.reduce<number>((sum, each) => sum + each, 0);
}

/** Ids of the containers of a judge. */
export async function containersOf(docker: Docker, owner: string): Promise<readonly string[]> {
  const filters = { label: [`${ownerLabel}=${owner}`] };
  return (await docker.listContainers({ all: true, filters })).map(({ Id }) => Id);
}
