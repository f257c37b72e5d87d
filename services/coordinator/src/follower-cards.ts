/** What followers say of themselves, before a run counts on them. */
import { readFailure } from '@backsight/rpc';
import type { PolicyCard, PolicyRoom } from './rooms/rooms.js';

/** A follower that answered. */
export interface FollowerCard {
  readonly address: string;
  readonly card: PolicyCard;
}

const ANSWER_MS = 5000;

/** Cards of those that answer: one that is away now may be back before it is needed. Throws only when `signal` aborts. */
export async function followerCards(
  followers: readonly PolicyRoom[],
  signal: AbortSignal,
): Promise<readonly FollowerCard[]> {
  const asked = followers.map(async ({ address, client }) => {
    try {
      const options = { signal, deadlineMs: ANSWER_MS, retry: false as const };
      return [{ address, card: await client.describe({ brief: true }, options) }];
    } catch (error) {
      signal.throwIfAborted();
      if (readFailure(error) === undefined) throw error;
      return [];
    }
  });
  return (await Promise.all(asked)).flat();
}
