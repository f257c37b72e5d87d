/** The rooms that the coordinator calls, by address; a connection is opened once and kept. */
import {
  EnvironmentServiceDefinition,
  type DescribeResponse as EnvironmentCard,
  type Task,
} from '@backsight/contract/environment';
import { PolicyServiceDefinition, type DescribeResponse as PolicyCard } from '@backsight/contract/policy';
import { connect, type Connection } from '@backsight/rpc';

export type PolicyRoom = Connection<typeof PolicyServiceDefinition>;
export type EnvironmentRoom = Connection<typeof EnvironmentServiceDefinition>;
export type { EnvironmentCard, PolicyCard };

/** How long calls may take, in milliseconds. A room that is gone is noticed sooner: its connection breaks. */
export const deadlines = {
  describe: 30_000,
  listTasks: 60_000,
  play: 6 * 3_600_000,
  generate: 2 * 3_600_000,
  score: 600_000,
  trainStep: 6 * 3_600_000,
  checkpoint: 1_800_000,
} as const;

export interface Rooms {
  policy(address: string): PolicyRoom;
  environment(address: string): EnvironmentRoom;
  close(): void;
}

export function openRooms(): Rooms {
  const policies = new Map<string, PolicyRoom>();
  const environments = new Map<string, EnvironmentRoom>();
  return {
    policy: (address) =>
      remembered(policies, address, () => connect(PolicyServiceDefinition, address, { name: 'policy' })),
    environment: (address) =>
      remembered(environments, address, () =>
        connect(EnvironmentServiceDefinition, address, { name: 'environment' }),
      ),
    close() {
      for (const room of [...policies.values(), ...environments.values()]) room.close();
    },
  };
}

/** Every task of a split, in its order. */
export async function listTasks(
  room: EnvironmentRoom,
  split: string,
  signal: AbortSignal,
): Promise<readonly Task[]> {
  const tasks: Task[] = [];
  let pageToken = '';
  do {
    const page = await room.client.listTasks(
      { split, pageSize: 0, pageToken },
      { signal, deadlineMs: deadlines.listTasks },
    );
    tasks.push(...page.tasks);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return tasks;
}

function remembered<T>(rooms: Map<string, T>, address: string, open: () => T): T {
  const known = rooms.get(address);
  if (known !== undefined) return known;
  const opened = open();
  rooms.set(address, opened);
  return opened;
}
