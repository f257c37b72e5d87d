import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { within } from './within.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const forever = new AbortController().signal;
const silent = new EventEmitter();

/** Whether somebody who waits with the signal is told. */
const isTold = (signal: AbortSignal): Promise<boolean> =>
  once(silent, 'never', { signal }).then(
    () => false,
    () => true,
  );

describe('within', () => {
  it('aborts when the time is over, whatever the garbage collector takes meanwhile', async () => {
    const told = isTold(within(forever, 100).signal);
    for (let i = 0; i < 3; i++) {
      await delay(10);
      collectGarbage();
    }
    expect(await Promise.race([told, delay(2000, 'never')])).toBe(true);
  });

  it('aborts with the other signal', async () => {
    const caller = new AbortController();
    const { signal, stop } = within(caller.signal, 60_000);
    const told = isTold(signal);
    caller.abort();
    expect(await told).toBe(true);
    stop();
  });

  it('does not abort once its clock is stopped', async () => {
    const { signal, stop } = within(forever, 10);
    stop();
    await delay(50);
    expect(signal.aborted).toBe(false);
  });
});
