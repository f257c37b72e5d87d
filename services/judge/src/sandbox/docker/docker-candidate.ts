/** The docker sandbox on trial, in containers of a daemon that the tests are given. */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SettingValues } from '@backsight/rpc';
import type { Candidate } from '../candidate.js';
import { leftProcesses } from '../leftovers.js';
import { testUsers } from '../real-sandbox.js';
import { clientOf } from './daemon.js';
import { openDockerSandbox } from './docker-sandbox.js';
import { containersOf } from './janitor.js';
import { nameProcess } from '../owner.js';
import { daemonOf, type dockerSettings } from './settings.js';

type Settings = SettingValues<typeof dockerSettings>;

/** Why it cannot be tried out here; a daemon that is named has to be there, and what does not start then fails. */
export function whyNoDocker({ dockerSocket }: Settings): string | undefined {
  return dockerSocket === undefined ? 'BACKSIGHT_DOCKER_SOCKET names no daemon.' : undefined;
}

/** The warm sandbox, or the one whose containers serve one submission each. */
export function dockerCandidate(settings: Settings, oneShot: boolean): Candidate {
  const daemon = daemonOf(settings);
  const docker = clientOf(daemon.socket);
  const seen = new Set<string>();
  const look = async (): Promise<readonly string[]> => {
    const ids = await containersOf(docker, await nameProcess());
    for (const id of ids) seen.add(id);
    return ids;
  };
  return {
    name: oneShot ? 'docker-one-shot' : 'docker',
    oneIn: oneShot ? 4 : 1,
    mix: oneShot ? 30 : 150,
    open: async (slots) => {
      const onComplaint = (): void => undefined;
      const users = { firstUser: testUsers.first, users: testUsers.count };
      const sandbox = await openDockerSandbox({
        ...daemon,
        slots,
        oneShot,
        languages: undefined,
        ...users,
        onComplaint,
      });
      await look();
      return sandbox;
    },
    stillRunning: async () => {
      await look();
      return leftProcesses(testUsers.first, testUsers.count, isProgram);
    },
    remains: async () => [
      ...(await look()).map((id) => `container ${id}`),
      ...(await leftProcesses(testUsers.first, testUsers.count)),
      ...(await groupsOf(seen)),
    ],
  };
}

/** What the slot does not run but watch is the first that the kernel is to kill for memory. */
function isProgram(pid: number): boolean {
  try {
    return Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')) === 1000;
  } catch {
    return false; // it is gone
  }
}

/** Control groups named after containers. */
async function groupsOf(
  ids: ReadonlySet<string>,
  folder = '/sys/fs/cgroup',
  depth = 3,
): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = entries
    .filter((entry) => entry.isDirectory())
    .map(async ({ name }) => {
      const path = join(folder, name);
      if ([...ids].some((id) => name.includes(id))) return [path];
      return depth > 0 ? groupsOf(ids, path, depth - 1) : [];
    });
  return (await Promise.all(found)).flat();
}
