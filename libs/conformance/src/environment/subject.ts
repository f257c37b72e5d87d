/** The environment under judgement: its client, its card and its tasks. */
import {
  type DescribeResponse,
  type EnvironmentServiceClient,
  EnvironmentServiceDefinition,
} from '@backsight/contract/environment';
import { openEpisode, type RemoteEpisode } from '@backsight/environment';
import { connect, type RoomCallOptions } from '@backsight/rpc';
import { expectSet } from '../suite/check.js';

export interface EnvironmentSubject {
  readonly client: EnvironmentServiceClient<RoomCallOptions>;
  readonly card: DescribeResponse;
  /** Aborts every call of the suite. */
  readonly signal: AbortSignal;
}

/** The longest that a call of the suite may take, in milliseconds. */
const callDeadlineMs = 120_000;

/** Meets the environment at an address and works with it. */
export async function withEnvironment<T>(
  address: string,
  signal: AbortSignal,
  work: (subject: EnvironmentSubject) => Promise<T>,
): Promise<T> {
  const { client, close } = connect(EnvironmentServiceDefinition, address, {
    name: 'environment',
    deadlineMs: callDeadlineMs,
    streamDeadlineMs: callDeadlineMs,
  });
  try {
    return await work({ client, card: await client.describe({}, { signal }), signal });
  } finally {
    close();
  }
}

/** Up to three tasks, of the first split that has any. */
export async function someTasks({ client, card, signal }: EnvironmentSubject): Promise<readonly string[]> {
  const split = card.splits.find(({ taskCount }) => taskCount > 0);
  const { name } = expectSet(split, 'there is no split with a task in it');
  const { tasks } = await client.listTasks({ split: name, pageSize: 3 }, { signal });
  return tasks.map(({ taskId }) => taskId);
}

/** Works with an episode, and ends it however that ends. */
export async function withEpisode<T>(
  { client, signal }: EnvironmentSubject,
  request: { readonly taskId: string; readonly seed: number },
  work: (episode: RemoteEpisode) => Promise<T>,
): Promise<T> {
  const episode = openEpisode(client, request, { signal });
  try {
    return await work(episode);
  } finally {
    episode.close();
  }
}
