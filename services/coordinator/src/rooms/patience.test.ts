import { describe, expect, it } from '@jest/globals';
import { aborted, internal, unavailable } from '@backsight/rpc';
import { patiently, RoomAwayError } from './patience.js';

const forever = new AbortController().signal;

/** Fails so often, then answers. */
function flaky(failures: number, error: () => Error = () => unavailable('away', 0)) {
  let calls = 0;
  const call = () => {
    calls += 1;
    return calls <= failures ? Promise.reject(error()) : Promise.resolve(calls);
  };
  return { call, calls: () => calls };
}

describe('patiently', () => {
  it('calls again until the room is back', async () => {
    const reasons: string[] = [];
    const room = flaky(2);
    const patience = {
      patienceMs: 10_000,
      signal: forever,
      onWait: (reason: string) => reasons.push(reason),
    };
    expect(await patiently('the room', patience, room.call)).toBe(3);
    expect(reasons).toHaveLength(2);
  });

  it('does not wait for what will not pass', async () => {
    const room = flaky(1, () => internal('room', 'request-1'));
    await expect(patiently('the room', { patienceMs: 10_000, signal: forever }, room.call)).rejects.toThrow(
      'request-1',
    );
    expect(room.calls()).toBe(1);
  });

  it('says how long the room was away when patience ends', async () => {
    const room = flaky(1000);
    const call = patiently('the room at a:1', { patienceMs: 200, signal: forever }, room.call);
    await expect(call).rejects.toThrow(RoomAwayError);
    await expect(call).rejects.toThrow(/^the room at a:1 has been away for \d s: away/);
    expect(room.calls()).toBeGreaterThan(1);
  });

  it('takes the first failure as it is when there is no patience', async () => {
    const room = flaky(1, () => aborted('MOVED', {}));
    await expect(patiently('the room', { patienceMs: 0, signal: forever }, room.call)).rejects.toThrow(
      'MOVED',
    );
    expect(room.calls()).toBe(1);
  });

  it('stops waiting when the run is stopped', async () => {
    const controller = new AbortController();
    const room = flaky(1000);
    const call = patiently('the room', { patienceMs: 60_000, signal: controller.signal }, room.call);
    setTimeout(() => {
      controller.abort();
    }, 20);
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  });
});
