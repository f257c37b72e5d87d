/** Waits until a room says that it serves. */
import { setTimeout as delay } from 'node:timers/promises';
import { createClientFactory } from 'nice-grpc';
import { HealthDefinition } from 'nice-grpc-server-health';
import { openChannel } from './connect.js';
import { deadlineMiddleware } from './deadline.js';
import { describeError } from './read-failure.js';

/** How long to wait. */
export interface WaitOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Gives up early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Resolves once the room at `host:port` answers SERVING; rejects with one sentence when it does not in time. */
export async function waitUntilServing(address: string, options: WaitOptions = {}): Promise<void> {
  const { timeoutMs = 30_000, signal } = options;
  const channel = openChannel(address);
  const health = createClientFactory()
    .use(deadlineMiddleware({ unaryMs: 2000, streamMs: 2000 }))
    .create(HealthDefinition, channel);
  const until = performance.now() + timeoutMs;
  try {
    for (let waitMs = 20; ; waitMs = Math.min(500, waitMs * 2)) {
      signal?.throwIfAborted();
      const problem = await health
        .check({ service: '' }, signal === undefined ? {} : { signal })
        .then(({ status }) => (String(status) === '1' ? undefined : 'it answers NOT_SERVING'), describeError);
      if (problem === undefined) return;
      signal?.throwIfAborted();
      if (performance.now() + waitMs > until) {
        throw new Error(`no room serves at ${address} after ${timeoutMs} ms: ${problem}`);
      }
      await delay(waitMs, undefined, signal === undefined ? {} : { signal });
    }
  } finally {
    channel.close();
  }
}
