import { afterEach, describe, expect, it } from '@jest/globals';
import { describeError, waitUntilServing } from './index.js';
import { ToyRooms } from './toy-rooms.js';

const rooms = new ToyRooms();
afterEach(() => rooms.close());

describe('waitUntilServing', () => {
  it('resolves once the room serves', async () => {
    const { address } = await rooms.served([]);
    await expect(waitUntilServing(address, { timeoutMs: 5000 })).resolves.toBeUndefined();
  });

  it('says in one sentence that nobody serves', async () => {
    const problem = await waitUntilServing('127.0.0.1:9', { timeoutMs: 100 }).catch(describeError);
    expect(problem).toMatch(/^no room serves at 127\.0\.0\.1:9 after 100 ms: /);
  });

  it('gives up when the signal aborts', async () => {
    const begun = performance.now();
    const waiting = waitUntilServing('127.0.0.1:9', { timeoutMs: 20_000, signal: AbortSignal.timeout(50) });
    await expect(waiting).rejects.toBeDefined();
    expect(performance.now() - begun).toBeLessThan(2000);
  });
});
