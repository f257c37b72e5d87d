/** Waits until a room says that it serves. */
import { setTimeout as delay } from 'node:timers/promises';
import { HealthDefinition } from 'nice-grpc-server-health';
import { connect } from './connect.js';
import { describeError } from './read-failure.js';

/** How long to wait. */
export interface WaitOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Gives up early: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Resolves once the room at `host:port` answers SERVING; rejects with one sentence when it does not in time. */
export async function waitUntilServing(address: string, options: WaitOptions = {}): Promise<void> {
  const { timeoutMs = 30_000, signal } = options;
  const until = performance.now() + timeoutMs;
  const { client, close } = connect(HealthDefinition, address, { retry: false });
  const bounds = signal === undefined ? {} : { signal };
  try {
    for (let waitMs = 20; ; waitMs = Math.min(500, waitMs * 2)) {
      signal?.throwIfAborted();
      const deadlineMs = Math.max(1, Math.min(2000, until - performance.now()));
      const problem = await client.check({ service: '' }, { ...bounds, deadlineMs }).then(
        // The package does not export its enumeration: 1 is SERVING.
        ({ status }) => (String(status) === '1' ? undefined : 'it is not serving'),
        describeError,
      );
      if (problem === undefined) return;
      signal?.throwIfAborted();
      if (performance.now() + waitMs > until) {
        throw new Error(`no room serves at ${address} after ${timeoutMs} ms: ${problem}`);
      }
      await delay(waitMs, undefined, bounds);
    }
  } finally {
    close();
  }
}
